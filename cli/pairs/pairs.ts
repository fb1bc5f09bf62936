import type { ClientScanPage, KvsClient } from "../../client.ts";
import type { ScanEntry } from "../../engine/engine.ts";
import { scanPages } from "../../engine/scan.ts";
import type { ParsedArgs } from "../args.ts";
import { UsageError } from "../errors.ts";
import { isNoText } from "./no_text.ts";
import type { Source } from "../target.ts";

/** A key and its value, as text or as UTF-8, whichever is there already. */
export interface Pair {
  readonly key: string | Uint8Array;
  /** `undefined` where it is left out. */
  readonly value: string | Uint8Array | undefined;
  /** Whether it is no text, and the server has no answer with it. */
  readonly isUnreadable?: boolean;
}

/** Which pairs a command goes through. */
export interface PairRange {
  readonly prefix?: string;
  /** The first key. */
  readonly start?: string;
  /** The key before which it ends. */
  readonly end?: string;
  /** Whether to go from the greatest key to the least. */
  readonly reverse?: boolean;
  /** Whether to leave the values out. */
  readonly keys?: boolean;
  /** The most pairs. */
  readonly limit?: number;
}

/** A server's answer holds so many pairs at most, unless they are large. */
const PAGE_PAIRS = 5_000;

/**
 * On disk many are read at a time: the more, the nearer they lie to each other
 * in the log; the fewer, the less the garbage collector has to move.
 */
const DISK_PAGE_PAIRS = 32_768;
const DISK_PAGE_BYTES = 16 * 1024 * 1024;

const encoder = new TextEncoder();

/**
 * Goes through pairs in the order of their keys' bytes, be they behind a
 * server or on disk.
 *
 * @param source Where they are.
 * @param range Which ones.
 * @returns Pages of them, none empty.
 */
export function pairPages(
  source: Source,
  range: PairRange,
): AsyncGenerator<readonly Pair[], void> {
  if ("scanPage" in source) return serverPages(source, range);
  const encoded = (text: string | undefined) =>
    text === undefined ? undefined : encoder.encode(text);
  const { prefix, start, end, reverse, keys, limit } = range;
  const pages: AsyncGenerator<readonly ScanEntry[], void> = scanPages(source, {
    prefix: encoded(prefix),
    start: encoded(start),
    end: encoded(end),
    reverse,
    keysOnly: keys,
    limit,
    maxBytes: DISK_PAGE_BYTES,
  }, DISK_PAGE_PAIRS);
  return pages;
}

/** While a page is dealt with, the next one is on its way. */
async function* serverPages(
  source: Extract<Source, { scanPage: unknown }>,
  { limit = Infinity, ...range }: PairRange,
): AsyncGenerator<readonly Pair[], void> {
  const ask = (after: string | undefined, left: number) =>
    readPage(source, { ...range, after, limit: Math.min(left, PAGE_PAIRS) });
  let left = limit;
  let next = ask(undefined, left);
  for (;;) {
    const { entries, more } = await next;
    left -= entries.length;
    const isLast = !more || left <= 0 || entries.length === 0;
    if (!isLast) {
      next = ask(`${entries[entries.length - 1].key}`, left);
      // It is awaited later, or not at all.
      next.catch(() => {});
    }
    if (entries.length > 0) yield entries;
    if (isLast) return;
  }
}

interface ServerPage {
  readonly entries: readonly (Pair & { readonly key: string })[];
  readonly more: boolean;
}

/** Reads a page; of one with values that are no text, all others. */
async function readPage(
  source: Pick<KvsClient, "scanPage">,
  range: Parameters<KvsClient["scanPage"]>[0],
): Promise<ServerPage> {
  try {
    const { entries, more } = await source.scanPage(range);
    return { entries: entries.map(([key, value]) => ({ key, value })), more };
  } catch (error) {
    if (!isNoText(error)) throw error;
  }
  const { entries, more } = await readKeys(source, range);
  const readOne = async ([key]: readonly [string, string?]) => {
    try {
      const page = await source.scanPage({ start: key, limit: 1 });
      const [found] = page.entries;
      // It may have been removed since.
      return found?.[0] === key ? [{ key, value: found[1] }] : [];
    } catch (error) {
      if (!isNoText(error)) throw error;
      return [{ key, value: undefined, isUnreadable: true }];
    }
  };
  return { entries: (await Promise.all(entries.map(readOne))).flat(), more };
}

/** Reads the keys of a page. One that is no text can't be gone past. */
async function readKeys(
  source: Pick<KvsClient, "scanPage">,
  range: Parameters<KvsClient["scanPage"]>[0],
): Promise<ClientScanPage> {
  try {
    return await source.scanPage({ ...range, keys: true });
  } catch (error) {
    if (!isNoText(error)) throw error;
    const after = range.after === undefined
      ? ""
      : ` after ${JSON.stringify(range.after)}`;
    throw new Error(
      `Cannot read on${after}: a key is not UTF-8 text, which the server can't tell; use --dir DIR, with --read-only beside the server`,
    );
  }
}

/** Reads the value of `--limit`. */
export function parseLimit(args: ParsedArgs): number | undefined {
  const text = args.value("limit");
  if (text === undefined) return undefined;
  const limit = Number(text);
  if (/^[0-9]{1,15}$/.test(text) && limit >= 1) return limit;
  throw new UsageError(
    `--limit must be a whole number from 1, found "${text}"`,
  );
}
