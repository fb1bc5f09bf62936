/**
 * A client for a kvs server.
 *
 * @module
 */

import type { CompactionReport } from "./engine/engine.ts";
import { isServerStats, type ServerStats } from "./protocol/server_stats.ts";
import { type Addr, formatAddr, parseAddr } from "./addr.ts";
import { type Answer, KEY_NOT_FOUND } from "./protocol/answer.ts";
import { Channel } from "./client/channel.ts";
import { ConnectionError, KvsError } from "./client/errors.ts";
import { dial, probe } from "./client/dial.ts";
import {
  checkClientOptions,
  type ClientPageRange,
  type ClientScanPage,
  type ClientScanRange,
  isScanPage,
  type KvsClientOptions,
  type RequestOptions,
} from "./client/options.ts";

export { ConnectionError, KvsError };
export type {
  ClientPageRange,
  ClientScanPage,
  ClientScanRange,
  KvsClientOptions,
  RequestOptions,
};

/** How many entries {@linkcode KvsClient.scan} asks for at a time. */
const PAGE_ENTRIES = 1_000;

/**
 * A connection to a server. Any number of requests may be in flight: those made
 * in one turn of the event loop are sent in one write, and answers arrive in
 * order. Requests that are made faster than the connection takes them wait in
 * the client.
 *
 * @example
 * ```ts
 * import { KvsClient, KvsServer, KvStore } from "@kvs/kvs";
 * import { assertEquals } from "@std/assert";
 *
 * await using store = KvStore.open(Deno.makeTempDirSync());
 * await using server = await KvsServer.start(store, { addr: "127.0.0.1:0" });
 *
 * await using client = await KvsClient.connect(server.addr);
 * await Promise.all([client.set("a", "1"), client.set("b", "2")]);
 * assertEquals(await client.get("b"), "2");
 * ```
 */
export class KvsClient implements Disposable, AsyncDisposable {
  readonly #channel: Channel;

  private constructor(channel: Channel) {
    this.#channel = channel;
  }

  /**
   * Connects to a server.
   *
   * @param addr Where it listens, as `HOST:PORT` or in parts.
   * @param options The token, TLS and time limits.
   * @returns The client; close it when done, or declare it with `using`.
   * @throws {TypeError} If the address is invalid, an option has the wrong
   * type, or a text in `caCerts` holds no certificate.
   * @throws {RangeError} If a time limit is out of range or the token invalid.
   * @throws {ConnectionError} If the server cannot be reached in time, or
   * refuses the connection.
   */
  static async connect(
    addr: string | Addr,
    options: KvsClientOptions = {},
  ): Promise<KvsClient> {
    checkClientOptions(options);
    const {
      token,
      tls,
      signal,
      connectTimeoutMs = 5_000,
      timeoutMs = 30_000,
    } = options;
    const server = parseAddr(
      typeof addr === "string" ? addr : formatAddr(addr),
    );
    const dialing = { tls, signal, timeoutMs: connectTimeoutMs };
    const probing = { tls, timeoutMs: Math.ceil(timeoutMs / 2) };
    return await dial(server, dialing, async (conn) => {
      const channel = new Channel(conn, formatAddr(server), {
        timeoutMs,
        probe: (signal) => probe(server, { ...probing, signal }, token),
      });
      try {
        if (token !== undefined) {
          await channel.request({ Auth: { token } }, done("Auth"));
        }
        return new KvsClient(channel);
      } catch (error) {
        channel.close();
        throw error;
      }
    });
  }

  /**
   * Sets a key to a value.
   *
   * @param key The key.
   * @param value The value.
   * @param options See {@linkcode RequestOptions}.
   * @throws {KvsError} If the server refuses or fails.
   * @throws {ConnectionError} If the connection is lost before the answer.
   * @throws The reason of the signal, if it aborts.
   */
  set(
    key: string,
    value: string,
    { signal }: RequestOptions = {},
  ): Promise<void> {
    return this.#channel.request({ Set: { key, value } }, done("Set"), {
      signal,
    });
  }

  /**
   * Looks a key up.
   *
   * @param key The key.
   * @param options See {@linkcode RequestOptions}.
   * @returns The value, or `undefined` if the key is missing.
   * @throws {KvsError} If the server refuses or fails.
   * @throws {ConnectionError} If the connection is lost before the answer.
   * @throws The reason of the signal, if it aborts.
   */
  get(
    key: string,
    { signal }: RequestOptions = {},
  ): Promise<string | undefined> {
    return this.#channel.request({ Get: { key } }, (answer) => {
      const value = okOf(answer);
      if (value === null) return undefined;
      if (typeof value !== "string") throw unexpected("Get", answer);
      return value;
    }, { signal });
  }

  /**
   * Removes a key.
   *
   * @param key The key.
   * @param options See {@linkcode RequestOptions}.
   * @returns Whether the key was there.
   * @throws {KvsError} If the server refuses or fails.
   * @throws {ConnectionError} If the connection is lost before the answer.
   * @throws The reason of the signal, if it aborts.
   */
  remove(key: string, { signal }: RequestOptions = {}): Promise<boolean> {
    return this.#channel.request({ Remove: { key } }, (answer) => {
      if ("err" in answer && answer.err === KEY_NOT_FOUND) return false;
      if (okOf(answer) !== null) throw unexpected("Remove", answer);
      return true;
    }, { signal });
  }

  /**
   * Iterates over the entries of a range in the order of their keys' bytes,
   * and requests each page when it is needed.
   *
   * A key that exists throughout the scan is returned exactly once; one that is
   * set or removed meanwhile at most once. A value is one that its key had
   * during the scan.
   *
   * @param range Which entries; all by default.
   * @param options See {@linkcode RequestOptions}.
   * @returns The entries, as `[key, value]`.
   * @throws {KvsError} If the server refuses or fails.
   * @throws {ConnectionError} If the connection is lost before the answer.
   * @throws The reason of the signal, if it aborts.
   *
   * @example
   * ```ts
   * import { KvsClient, KvsServer, KvStore } from "@kvs/kvs";
   * import { assertEquals } from "@std/assert";
   *
   * await using store = KvStore.open(Deno.makeTempDirSync());
   * await using server = await KvsServer.start(store, { addr: "127.0.0.1:0" });
   * await using client = await KvsClient.connect(server.addr);
   * await client.set("user/1", "Ada");
   * for await (const [key, value] of client.scan({ prefix: "user/" })) {
   *   assertEquals([key, value], ["user/1", "Ada"]);
   * }
   * ```
   */
  async *scan(
    range: ClientScanRange = {},
    options: RequestOptions = {},
  ): AsyncGenerator<readonly [key: string, value: string], void> {
    for await (const page of this.#pages(range, false, options)) {
      for (const [key, value] of page) {
        if (value === undefined) throw new TypeError(`"${key}" has no value`);
        yield [key, value];
      }
    }
  }

  /**
   * Like {@linkcode scan}, without the values.
   *
   * @param range Which keys; all by default.
   * @param options See {@linkcode RequestOptions}.
   * @returns The keys.
   * @throws {KvsError} If the server refuses or fails.
   * @throws {ConnectionError} If the connection is lost before the answer.
   * @throws The reason of the signal, if it aborts.
   */
  async *keys(
    range: ClientScanRange = {},
    options: RequestOptions = {},
  ): AsyncGenerator<string, void> {
    for await (const page of this.#pages(range, true, options)) {
      for (const [key] of page) yield key;
    }
  }

  async *#pages(
    { limit, ...range }: ClientScanRange,
    keys: boolean,
    options: RequestOptions,
  ): AsyncGenerator<ClientScanPage["entries"], void> {
    // A limit of 0 sends no request that would fail.
    this.#channel.throwIfEnded();
    let left = limit ?? Infinity;
    let after: string | undefined;
    while (left > 0) {
      const page = await this.scanPage({
        ...range,
        after,
        keys,
        limit: Math.min(left, PAGE_ENTRIES),
      }, options);
      if (page.entries.length === 0) return;
      yield page.entries;
      if (!page.more) return;
      left -= page.entries.length;
      [after] = page.entries[page.entries.length - 1];
    }
  }

  /**
   * Requests one page of a scan.
   *
   * @param range Which entries, and how many.
   * @param options See {@linkcode RequestOptions}.
   * @returns The page. The next one is `after` its last key; an empty page is
   * the last.
   * @throws {KvsError} If the server refuses or fails.
   * @throws {ConnectionError} If the connection is lost before the answer.
   * @throws The reason of the signal, if it aborts.
   */
  scanPage(
    range: ClientPageRange,
    { signal }: RequestOptions = {},
  ): Promise<ClientScanPage> {
    return this.#channel.request({ Scan: range }, (answer) => {
      const page = okOf(answer);
      if (!isScanPage(page)) throw unexpected("Scan", answer);
      return page;
    }, { signal });
  }

  /**
   * Makes scans, keys and pages of this client show the store as it is now,
   * whatever is written later, until {@linkcode releaseSnapshot}, another
   * snapshot or the end of the connection. Other requests are not affected.
   *
   * All writes acknowledged before the call are in the snapshot. With engine
   * kvs, taking it costs the server about a second for a million keys, and the
   * memory of another index; it allows two snapshots at a time.
   *
   * @param options See {@linkcode RequestOptions}.
   * @throws {KvsError} If the server refuses or fails.
   * @throws {ConnectionError} If the connection is lost before the answer.
   * @throws The reason of the signal, if it aborts; the snapshot may have been
   * taken nevertheless.
   *
   * @example
   * ```ts
   * import { KvsClient, KvsServer, KvStore } from "@kvs/kvs";
   * import { assertEquals } from "@std/assert";
   *
   * await using store = KvStore.open(Deno.makeTempDirSync());
   * await using server = await KvsServer.start(store, { addr: "127.0.0.1:0" });
   * await using client = await KvsClient.connect(server.addr);
   * await client.set("k", "before");
   * await client.snapshot();
   * await client.set("k", "after");
   * for await (const [key, value] of client.scan()) {
   *   assertEquals([key, value], ["k", "before"]);
   * }
   * await client.releaseSnapshot();
   * ```
   */
  snapshot({ signal }: RequestOptions = {}): Promise<void> {
    return this.#channel.request({ Snapshot: {} }, done("Snapshot"), {
      signal,
      isLong: true,
    });
  }

  /**
   * Releases the snapshot; scans show the current store again.
   *
   * @param options See {@linkcode RequestOptions}.
   * @throws {KvsError} If the server refuses or fails.
   * @throws {ConnectionError} If the connection is lost before the answer.
   * @throws The reason of the signal, if it aborts.
   */
  releaseSnapshot({ signal }: RequestOptions = {}): Promise<void> {
    const request = { Snapshot: { release: true } };
    return this.#channel.request(request, done("Snapshot"), { signal });
  }

  /**
   * Makes the server reclaim the disk space of overwritten and removed values.
   *
   * @param options See {@linkcode RequestOptions}.
   * @returns What it reclaimed.
   * @throws {KvsError} If the server refuses or fails.
   * @throws {ConnectionError} If the connection is lost before the answer.
   * @throws The reason of the signal, if it aborts.
   */
  compact({ signal }: RequestOptions = {}): Promise<CompactionReport> {
    return this.#channel.request({ Compact: {} }, (answer) => {
      const report = okOf(answer);
      if (
        typeof report === "object" && report !== null &&
        "bytesBefore" in report && typeof report.bytesBefore === "number" &&
        "bytesAfter" in report && typeof report.bytesAfter === "number"
      ) {
        const { bytesBefore, bytesAfter } = report;
        return { bytesBefore, bytesAfter };
      }
      throw unexpected("Compact", answer);
    }, { signal, isLong: true });
  }

  /**
   * Requests statistics of the server since its start, and of its store.
   *
   * @param options See {@linkcode RequestOptions}.
   * @returns The statistics.
   * @throws {KvsError} If the server refuses or fails.
   * @throws {ConnectionError} If the connection is lost before the answer.
   * @throws The reason of the signal, if it aborts.
   */
  stats({ signal }: RequestOptions = {}): Promise<ServerStats> {
    return this.#channel.request({ Stats: {} }, (answer) => {
      const stats = okOf(answer);
      if (!isServerStats(stats)) throw unexpected("Stats", answer);
      return stats;
    }, { signal });
  }

  /** Closes the connection at once; unanswered requests reject. */
  close(): void {
    this.#channel.close();
  }

  /** Like {@linkcode close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Waits until all requests are answered, and closes the connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#channel.idle();
    this.close();
  }
}

/** Reads the answer to a request that returns nothing. */
function done(request: string): (answer: Answer) => void {
  return (answer) => {
    if (okOf(answer) !== null) throw unexpected(request, answer);
  };
}

function okOf(answer: Answer): unknown {
  if ("err" in answer) throw new KvsError(answer.err);
  return answer.ok;
}

function unexpected(request: string, answer: Answer): TypeError {
  const shown = JSON.stringify(answer).slice(0, 64);
  return new TypeError(`Unexpected answer to ${request}: ${shown}`);
}
