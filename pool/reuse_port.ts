/**
 * The pool `reuse-port`: a listener in each Worker, all on one port.
 *
 * @module
 */

import { WorkerTally } from "../monitor/monitor.ts";
import { Descriptors } from "../net/native/descriptors.ts";
import type { PoolOptions, ThreadPool } from "./pool.ts";
import type { ReusePortRequest } from "./reuse_port_worker.ts";
import { type Access, listen } from "../net/listen.ts";
import { refuse } from "../net/connection_set.ts";
import type { TransportListener } from "../net/transport.ts";
import { Gauges } from "../monitor/gauges.ts";
import { NONE_LEFT, WorkerSet } from "./worker_set.ts";

const ENTRY = new URL("./reuse_port_worker.ts", import.meta.url);

/**
 * A pool whose job is a connection: every Worker listens on the same port, and
 * the kernel deals connections out (SO_REUSEPORT). Nothing is copied from
 * thread to thread. Where the platform does not spread connections (anywhere
 * but on Linux), one Worker does all.
 */
export class ReusePortPool implements ThreadPool {
  readonly #workers: WorkerSet<ReusePortRequest>;
  readonly #threads: number;
  /** Whether Workers may accept. */
  #accepts = false;
  readonly #standIn: StandIn;
  #address: Deno.NetAddr | undefined;

  /**
   * @param options See {@linkcode PoolOptions}.
   * @param entry The Workers' entry module.
   */
  constructor(options: PoolOptions, entry: URL = ENTRY) {
    const { engine, threads, limits, acceptAhead, access, monitor, log } =
      options;
    this.#threads = Deno.build.os === "linux" ? threads : 1;
    const tally = new WorkerTally(monitor);
    this.#standIn = new StandIn(access);
    const opened = Array.from(
      { length: this.#threads },
      () => new Descriptors(),
    );
    this.#workers = new WorkerSet<ReusePortRequest>({
      url: entry,
      name: "kvs-listener",
      taskOf: (worker) => ({
        kind: "start",
        engine,
        address: this.#address!,
        limits,
        acceptAhead,
        access,
        monitor,
        worker,
        descriptors: opened[worker].words,
        accepts: this.#accepts,
      }),
      // The runtime ends the Workers of a dead one, which hold its snapshots.
      onDeath: (worker) => {
        tally.died();
        opened[worker].closeAll();
        Gauges.forget(monitor.gauges, worker);
      },
      onDown: ({ down, waiting }) => {
        tally.setDown(down);
        if (waiting === this.#threads) this.#standIn.open(this.#address!);
        else this.#standIn.close();
      },
      log,
    });
  }

  /** @inheritdoc */
  async listen(address: Deno.NetAddr): Promise<Deno.NetAddr> {
    this.#address = probe(address);
    await this.#workers.start(this.#threads);
    // Should one of them have failed, nobody has been served by the others.
    this.#accepts = true;
    this.#workers.broadcast({ kind: "accept" });
    return this.#address;
  }

  /** @inheritdoc */
  async close(timeoutMs: number): Promise<void> {
    this.#standIn.close();
    await this.#workers.stop(
      (worker) =>
        worker.postMessage({ kind: "stop" } satisfies ReusePortRequest),
      timeoutMs,
    );
  }
}

/** Ports below those that Linux gives away by itself. */
const FREE_PORTS = { from: 20_000, to: 32_768 };

/** How many ports to try before the system chooses one. */
const MAX_PORTS = 100;

/**
 * Makes sure that nobody listens at an address: Workers that share a port
 * would also share it with another server of the same user, unasked.
 *
 * @returns The address, with a free port in place of 0. It is none that the
 * system may give to somebody else before the Workers listen.
 */
function probe(address: Deno.NetAddr): Deno.NetAddr {
  if (address.port !== 0) return bind(address);
  const { from, to } = FREE_PORTS;
  for (let tries = 0; tries < MAX_PORTS; tries++) {
    const port = from + Math.floor(Math.random() * (to - from));
    try {
      return bind({ ...address, port });
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
  return bind(address);
}

function bind({ hostname, port }: Deno.NetAddr): Deno.NetAddr {
  using listener = Deno.listen({ hostname, port });
  return listener.addr as Deno.NetAddr;
}

/** Listens in place of Workers, and tells clients that there are none. */
class StandIn {
  readonly #access: Access;
  #listener: TransportListener | undefined;

  constructor(access: Access) {
    this.#access = access;
  }

  /** Listens where the Workers did, if that is possible. */
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
