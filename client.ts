/**
 * A client for a kvs server.
 *
 * @module
 */

import type { CompactionReport } from "./engine/engine.ts";
import { isServerStats, type ServerStats } from "./monitor/server_stats.ts";
import { type Addr, formatAddr, parseAddr } from "./client/addr.ts";
import { type Answer, KEY_NOT_FOUND } from "./protocol/answer.ts";
import { Channel } from "./client/channel.ts";
import { ConnectionError, KvsError } from "./client/client_error.ts";
import {
  checkClientOptions,
  type KvsClientOptions,
} from "./client/client_options.ts";
import { dial, probe } from "./client/dial.ts";

export { ConnectionError, type KvsClientOptions, KvsError };

/** Options of a request. */
export interface RequestOptions {
  /**
   * Ends the wait for the answer when it aborts, and the request rejects with
   * its reason. The server may carry the request out nevertheless.
   */
  readonly signal?: AbortSignal;
}

/** Which entries {@linkcode KvsClient.scan} goes through; all by default. */
export interface ClientScanRange {
  /** Only keys that begin with this. */
  readonly prefix?: string;
  /** Only keys that are this one or greater. */
  readonly start?: string;
  /** Only keys that are less than this one. */
  readonly end?: string;
  /**
   * Whether to go from the greatest key to the least.
   *
   * @default {false}
   */
  readonly reverse?: boolean;
  /**
   * The most entries.
   *
   * @default no limit, or 1,000 where it is for one page
   */
  readonly limit?: number;
}

/** Which entries {@linkcode KvsClient.scanPage} asks for. */
export interface ClientPageRange extends ClientScanRange {
  /** Only keys behind this one in the direction of the scan. */
  readonly after?: string;
  /**
   * Whether to leave the values out.
   *
   * @default {false}
   */
  readonly keys?: boolean;
}

/** What {@linkcode KvsClient.scanPage} returns. */
export interface ClientScanPage {
  /** The entries, in order, without values where they are left out. */
  readonly entries: readonly (readonly [key: string, value?: string])[];
  /** Whether there may be more behind the last one. */
  readonly more: boolean;
}

/** The most entries to ask for at a time. */
const PAGE_ENTRIES = 1_000;

/**
 * A connection to a server. Any number of requests may be under way together:
 * those issued in the same turn leave in one write, and answers come in order.
 *
 * What is issued faster than the connection takes it waits in the client as it
 * was given, and is encoded only some hundred kilobytes at a time.
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
   * @param options What to show the server, and how long to wait.
   * @returns The client; close it when done, or hold it with `using`.
   * @throws {TypeError} If the address is none, an option is of another type
   * than it says, or a text of `caCerts` holds no certificate.
   * @throws {RangeError} If a time limit is out of range, or the token none.
   * @throws {ConnectionError} If nobody answers there in time, or the server
   * does not let the client in.
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
        if (token !== undefined) await authenticate(channel, token);
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
   * @returns The value, or `undefined` where the key is not there.
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
   * Goes through the entries of a range in the order of their keys' bytes,
   * asking for a page at a time, and for none before it is wanted.
   *
   * A key that is there all the while is not missed, and none comes twice; one
   * that comes or goes meanwhile may be seen or not. A value is one that its
   * key had meanwhile.
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
   * Does as {@linkcode scan}, with keys alone.
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
    // A scan of no entries sends nothing that could fail.
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
   * Asks for one page of a scan, for those who are in a hurry.
   *
   * @param range Which entries, and how many.
   * @param options See {@linkcode RequestOptions}.
   * @returns The page. The next one is `after` its last key; an empty one is
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
   * snapshot or the end of the connection. Other requests show the present.
   *
   * What was acknowledged before the call is in it. With engine kvs the server
   * takes about a second for a million keys, and as much memory as its index
   * again; it has a limit of two snapshots at a time.
   *
   * @param options See {@linkcode RequestOptions}.
   * @throws {KvsError} If the server refuses or fails.
   * @throws {ConnectionError} If the connection is lost before the answer.
   * @throws The reason of the signal, if it aborts; there may be a snapshot
   * then or not.
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
   * Makes scans show the present again, and gives back what the snapshot took.
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
   * Makes the server give the space of dead data back to its disk.
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
   * Asks the server what it has done since it started, and what its store is
   * like.
   *
   * @param options See {@linkcode RequestOptions}.
   * @returns What it tells.
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

  /** Closes the connection at once; requests without an answer reject. */
  close(): void {
    this.#channel.close();
  }

  /** Does as {@linkcode close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Waits until all requests are answered, then closes the connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#channel.idle();
    this.close();
  }
}

function authenticate(channel: Channel, token: string): Promise<void> {
  return channel.request({ Auth: { token } }, done("Auth"));
}

/** What takes the answer to a request that gives nothing. */
function done(request: string): (answer: Answer) => void {
  return (answer) => {
    if (okOf(answer) !== null) throw unexpected(request, answer);
  };
}

function okOf(answer: Answer): unknown {
  if ("err" in answer) throw new KvsError(answer.err);
  return answer.ok;
}

function isScanPage(value: unknown): value is ClientScanPage {
  return typeof value === "object" && value !== null &&
    "more" in value && typeof value.more === "boolean" &&
    "entries" in value && Array.isArray(value.entries) &&
    value.entries.every((entry) =>
      Array.isArray(entry) && typeof entry[0] === "string" &&
      (entry.length === 1 || typeof entry[1] === "string")
    );
}

function unexpected(request: string, answer: Answer): TypeError {
  const shown = JSON.stringify(answer).slice(0, 64);
  return new TypeError(`Unexpected answer to ${request}: ${shown}`);
}
