/**
 * A page for Prometheus.
 *
 * @module
 */

import { type Addr, formatAddr } from "../protocol/addr.ts";
import { EXPOSITION_TYPE } from "./exposition.ts";

/** The path of the page. */
const PATH = "/metrics";

/**
 * Serves `/metrics` over HTTP on the main thread. Whoever reaches it may read
 * it, and nothing else.
 */
export class MetricsPage {
  /** Where it listens, as `host:port`. */
  readonly addr: string;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #stop = new AbortController();

  /**
   * Serves the page.
   *
   * @param addr Where to listen; port 0 is any free one.
   * @param spell Makes its text.
   * @param onError Told of what goes wrong with that.
   * @throws {Error} If it can't listen there.
   */
  constructor(
    { hostname, port }: Addr,
    spell: () => Promise<string>,
    onError: (error: unknown) => void,
  ) {
    this.#server = Deno.serve({
      hostname,
      port,
      signal: this.#stop.signal,
      onListen: () => {},
      onError: (error) => {
        onError(error);
        return plain(500, "The server could not tell\n");
      },
    }, async (request) => {
      if (new URL(request.url).pathname !== PATH) {
        return plain(404, `There is only ${PATH}\n`);
      }
      if (request.method !== "GET" && request.method !== "HEAD") {
        return plain(405, "It can only be read\n", { allow: "GET, HEAD" });
      }
      return new Response(await spell(), {
        headers: { "content-type": EXPOSITION_TYPE },
      });
    });
    this.addr = formatAddr(this.#server.addr);
  }

  /** Ends it at once, with all its connections. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#server.finished;
  }
}

function plain(
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(text, {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", ...headers },
  });
}
