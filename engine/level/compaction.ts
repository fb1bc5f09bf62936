/**
 * A compaction of the whole database, with progress.
 *
 * @module
 */

import type { CompactionProgress, CompactionReport } from "../engine.ts";
import type { LevelDatabase } from "./database.ts";

const PROGRESS_INTERVAL_MS = 100;

const FIRST_KEY = new Uint8Array();

/** Comes after every key that is UTF-8 text, whatever its length. */
const LAST_KEY = new Uint8Array([0xff, 0xff]);

/**
 * Rewrites LevelDB's files without what was overwritten or removed.
 *
 * @param db The database.
 * @param onProgress Told now and then how many bytes were dealt with.
 * @returns What the files took before and take now.
 */
export async function compactAll(
  db: LevelDatabase,
  onProgress: CompactionProgress = () => {},
): Promise<CompactionReport> {
  const bytesBefore = sizeOf(db.location);
  const readBefore = readMegabytes(db);
  onProgress(0, bytesBefore);
  const timer = setInterval(() => {
    // LevelDB may read some data once per level, so this is an estimate.
    const read = (readMegabytes(db) - readBefore) * 2 ** 20;
    onProgress(Math.min(read, bytesBefore), bytesBefore);
  }, PROGRESS_INTERVAL_MS);
  try {
    await db.compactRange(FIRST_KEY, LAST_KEY);
  } finally {
    clearInterval(timer);
  }
  onProgress(bytesBefore, bytesBefore);
  return { bytesBefore, bytesAfter: sizeOf(db.location) };
}

/**
 * Adds up the files, since LevelDB's own estimate leaves its log out.
 *
 * @param directory Where they are.
 * @returns What they take, in bytes.
 */
export function sizeOf(directory: string): number {
  let bytes = 0;
  for (const { name } of Deno.readDirSync(directory)) {
    try {
      bytes += Deno.statSync(`${directory}/${name}`).size;
    } catch (error) {
      // LevelDB removes files whenever it has done without them.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return bytes;
}

/** What compactions have read since the database was opened. */
function readMegabytes(db: LevelDatabase): number {
  // A table with a row for each level: level, files, size in MB, seconds, MB
  // read, MB written.
  const rows = db.getProperty("leveldb.stats")
    .matchAll(/^ *\d+ +\d+ +\d+ +\d+ +(\d+) +\d+ *$/gm);
  let megabytes = 0;
  for (const [, read] of rows) megabytes += Number(read);
  return megabytes;
}
