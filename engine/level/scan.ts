/**
 * Reading a range of the database in the order of its keys.
 *
 * @module
 */

import type { ScanEntry, ScanPage, ScanRange } from "../engine.ts";
import { boundsOf } from "../scan.ts";
import type { LevelDatabase, LevelDatabaseSnapshot } from "./database.ts";

/** How many entries LevelDB hands over at a time at most… */
const PIECE_ENTRIES = 1_000;
/** …and about how much. */
const PIECE_BYTES = 128 * 1024;

/**
 * Reads a page of entries as they were at one moment.
 *
 * @param db The database.
 * @param range Which entries, and how many.
 * @param snapshot The moment; the present one by default.
 * @returns The page.
 * @throws {RangeError} If a bound on entries or bytes is less than 1.
 */
export async function scanDatabase(
  db: LevelDatabase,
  range: ScanRange,
  snapshot?: LevelDatabaseSnapshot,
): Promise<ScanPage> {
  const { start, end, reverse, keysOnly, limit, maxBytes } = boundsOf(range);
  const entries: ScanEntry[] = [];
  let bytes = 0;
  const iterator = db.iterator({
    gte: start ?? new Uint8Array(),
    ...(end && { lt: end }),
    reverse,
    values: !keysOnly,
    limit: Number.isFinite(limit) ? limit : -1,
    ...(snapshot && { snapshot }),
    highWaterMarkBytes: Math.min(PIECE_BYTES, maxBytes),
  });
  try {
    for (;;) {
      const found = await iterator.nextv(
        Math.min(PIECE_ENTRIES, limit - entries.length),
      );
      if (found.length === 0) {
        return { entries, more: entries.length === limit };
      }
      for (const [key, value] of found) {
        bytes += key.length + (keysOnly ? 0 : value.length);
        if (bytes > maxBytes && entries.length > 0) {
          return { entries, more: true };
        }
        entries.push({ key, value: keysOnly ? undefined : value });
      }
      if (entries.length === limit) return { entries, more: true };
    }
  } finally {
    await iterator.close();
  }
}
