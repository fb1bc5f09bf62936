/**
 * A page for Prometheus.
 *
 * @module
 */

import type { Addr } from "../addr.ts";
import { EXPOSITION_TYPE } from "./exposition.ts";
import { HttpListener, plain } from "./http_listener.ts";
import type { Log } from "./log.ts";

/** The path of the page. */
const PATH = "/metrics";

/** How often a failure is logged again, in milliseconds. */
const LOG_INTERVAL_MS = 60_000;

/** Serves `/metrics` over HTTP on the main thread, without authentication. */
export class MetricsPage {
  /** Where it listens, as `host:port`. */
  readonly addr: string;
  readonly #listener: HttpListener;

  /**
   * Serves the page.
   *
   * @param addr Where to listen; port 0 is any free one.
   * @param spell Makes its text.
   * @param log Told of what goes wrong.
   * @throws {Error} If it can't listen there.
   */
  constructor(addr: Addr, spell: () => Promise<string>, log: Log) {
    const loggedMs = new Map<string, number>();
    this.#listener = new HttpListener(addr, {
      answer: async ({ method, path }) => {
        if (path !== PATH) {
          return plain(404, `Not found; metrics are at ${PATH}\n`);
        }
        if (method !== "GET" && method !== "HEAD") {
          return plain(405, "Method not allowed\n", { allow: "GET, HEAD" });
        }
        const headers = { "content-type": EXPOSITION_TYPE };
        return { status: 200, headers, text: await spell() };
      },
      onError: (what, error) => {
        const nowMs = performance.now();
        const sinceMs = nowMs - (loggedMs.get(what) ?? -Infinity);
        if (sinceMs < LOG_INTERVAL_MS) return;
        loggedMs.set(what, nowMs);
        log("error", `${what}: ${error}`);
      },
    });
    this.addr = this.#listener.addr;
  }

  /** Ends it at once, with all its connections. */
  close(): Promise<void> {
    return this.#listener.close();
  }
}
