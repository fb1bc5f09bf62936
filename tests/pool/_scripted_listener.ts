/**
 * A listener without a network.
 *
 * @module
 */

import type { Transport, TransportListener } from "../../net/transport.ts";

/** A transport that never has anything to say. */
export class QuietTransport implements Transport {
  readonly hasHandshake = false;
  readonly canAbort = true;
  closings = 0;
  open(): void {}
  read(): void {}
  send(): void {}
  endSending(): void {}
  close(): void {
    this.closings++;
  }
}

/** One that cannot be opened. */
export class UnopenableTransport extends QuietTransport {
  override open(): void {
    throw new Error("Cannot be opened");
  }
}

/** One that cannot be closed either. */
export class UnclosableTransport extends UnopenableTransport {
  override close(): void {
    super.close();
    throw new Error("Cannot be closed");
  }
}

/** Gives the transports, one after another, and then waits. */
export class ScriptedListener implements TransportListener {
  readonly #transports: Transport[];
  readonly #end = Promise.withResolvers<Transport>();
  /** Resolves once all were taken. */
  readonly drained = Promise.withResolvers<void>();

  constructor(transports: readonly Transport[]) {
    this.#transports = [...transports];
  }

  accept(): Promise<Transport> {
    const next = this.#transports.shift();
    if (next !== undefined) return Promise.resolve(next);
    this.drained.resolve();
    return this.#end.promise;
  }

  tick(): void {}

  close(): void {
    this.#end.reject(new Deno.errors.BadResource("Closed"));
  }
}
