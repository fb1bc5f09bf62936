import { type ClientScanPage, KvsClient, KvsError } from "../client.ts";
import type { CompactionReport } from "../engine/engine.ts";
import type { ServerStats } from "../protocol/server_stats.ts";
import type { PairBlock } from "./pairs/pair_block.ts";
import {
  type Pair,
  type PairRange,
  PART_PAIRS,
  type Target,
} from "./target.ts";

/** The most pairs in an answer of the server, which large ones end earlier. */
const PAGE_PAIRS = 5_000;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

type Client = Pick<
  KvsClient,
  | "get"
  | "set"
  | "remove"
  | "scanPage"
  | "snapshot"
  | "compact"
  | "stats"
  | "close"
>;

type ClientRange = Parameters<KvsClient["scanPage"]>[0];

/** The store of a server. */
export class ServerTarget implements Target {
  readonly reportsProgress = false;
  readonly #client: Client;
  /** The answers to the pairs that were added last. */
  #answered: Promise<unknown> = Promise.resolve();

  constructor(client: Client) {
    this.#client = client;
  }

  /** Connects to a server. */
  static async connect(
    ...args: Parameters<typeof KvsClient.connect>
  ): Promise<ServerTarget> {
    return new ServerTarget(await KvsClient.connect(...args));
  }

  async get(key: string): Promise<string | undefined | null> {
    try {
      return await this.#client.get(key);
    } catch (error) {
      if (!isNotText(error)) throw error;
      return null;
    }
  }

  async set(key: string, value: string): Promise<void> {
    await this.#client.set(key, value);
  }

  async remove(key: string): Promise<boolean> {
    return await this.#client.remove(key);
  }

  /** Asks for the next page while the last one is printed. */
  async *pages(
    { limit = Infinity, ...range }: PairRange,
  ): AsyncGenerator<readonly Pair[], void> {
    const ask = (after: string | undefined, left: number) =>
      this.#readPage({ ...range, after, limit: Math.min(left, PAGE_PAIRS) });
    let left = limit;
    let next = ask(undefined, left);
    for (;;) {
      const { entries, more } = await next;
      left -= entries.length;
      const isLast = !more || left <= 0 || entries.length === 0;
      if (!isLast) {
        next = ask(entries[entries.length - 1].key, left);
        // It is awaited later, or not at all.
        next.catch(() => {});
      }
      if (entries.length > 0) yield entries;
      if (isLast) return;
    }
  }

  async freeze(): Promise<number> {
    try {
      await this.#client.snapshot();
    } catch (error) {
      if (!(error instanceof KvsError)) throw error;
      throw new KvsError(`Cannot take a snapshot: ${error.message}`);
    }
    return 0;
  }

  async stats(): Promise<ServerStats> {
    return await this.#client.stats();
  }

  async compact(): Promise<CompactionReport> {
    return await this.#client.compact();
  }

  async add(pairs: PairBlock): Promise<void> {
    for (let from = 0; from < pairs.count; from += PART_PAIRS) {
      const sent: Promise<void>[] = [];
      const to = Math.min(pairs.count, from + PART_PAIRS);
      for (let place = from; place < to; place++) {
        const { key, value } = pairs.at(place);
        sent.push(this.#client.set(decoder.decode(key), decoder.decode(value)));
      }
      // The server works on these while the next are being read.
      await this.#answered;
      this.#answered = Promise.all(sent);
      this.#answered.catch(() => {});
    }
  }

  async finish(): Promise<void> {
    await this.#answered;
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  /** Reads a page; where some values are not text, the others one by one. */
  async #readPage(range: ClientRange) {
    try {
      const { entries, more } = await this.#client.scanPage(range);
      return { entries: entries.map(([key, value]) => ({ key, value })), more };
    } catch (error) {
      if (!isNotText(error)) throw error;
    }
    const { entries, more } = await this.#readKeys(range);
    const pairs = await Promise.all(
      entries.map(([key]) => this.#readPair(key)),
    );
    return { entries: pairs.flat(), more };
  }

  /** A pair as an array, which is empty if it has been removed meanwhile. */
  async #readPair(key: string) {
    try {
      const page = await this.#client.scanPage({ start: key, limit: 1 });
      const [found] = page.entries;
      return found?.[0] === key ? [{ key, value: found[1] }] : [];
    } catch (error) {
      if (!isNotText(error)) throw error;
      return [{ key, value: undefined, isUnreadable: true }];
    }
  }

  /** Reads the keys of a page; past one that is not text there is no way. */
  async #readKeys(range: ClientRange): Promise<ClientScanPage> {
    try {
      return await this.#client.scanPage({ ...range, keys: true });
    } catch (error) {
      if (!isNotText(error)) throw error;
      const after = range.after === undefined
        ? ""
        : ` after ${JSON.stringify(range.after)}`;
      throw new Error(
        `Cannot read on${after}: the server cannot send a key that is not UTF-8 text; use --dir DIR, with --read-only while the server runs`,
      );
    }
  }
}

/** Whether a server could not answer with what only a program can have set. */
function isNotText(error: unknown): boolean {
  return error instanceof KvsError && /not UTF-8 text/.test(error.message);
}
