/**
 * Answering for Workers where there are none.
 *
 * @module
 */

import { type Access, listen } from "./access.ts";
import { refuse } from "./connection_set.ts";
import type { TransportListener } from "./transport.ts";
import { NONE_LEFT } from "../pool/worker_set.ts";

/** Listens in place of Workers, and tells clients that there is none. */
export class StandIn {
  readonly #access: Access;
  #listener: TransportListener | undefined;

  /** @param access Whether TLS is spoken. */
  constructor(access: Access) {
    this.#access = access;
  }

  /**
   * Begins, where that is possible; else clients find nobody there.
   *
   * @param address Where the Workers were listening.
   */
  open({ hostname, port }: Deno.NetAddr): void {
    if (this.#listener !== undefined) return;
    // A Worker may listen before the last accept here has ended. Without the
    // flag, asking for it would end the process.
    const reusePort = "listenDatagram" in Deno;
    try {
      this.#listener = listen({ hostname, port, reusePort }, this.#access);
    } catch {
      return;
    }
    this.#serve(this.#listener);
  }

  /** Ends. */
  close(): void {
    this.#listener?.close();
    this.#listener = undefined;
  }

  async #serve(listener: TransportListener): Promise<void> {
    try {
      for (;;) await refuse(await listener.accept(), NONE_LEFT);
    } catch {
      // It is closed, or the system refuses: it does not matter for long.
      if (this.#listener === listener) this.close();
    }
  }
}
