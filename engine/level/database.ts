/**
 * The LevelDB database itself.
 *
 * @module
 */

import { ClassicLevel } from "classic-level";

/** A LevelDB database of bytes. */
export type LevelDatabase = ClassicLevel<Uint8Array, Uint8Array>;

/** What a database held at one moment. */
export type LevelDatabaseSnapshot = ReturnType<LevelDatabase["snapshot"]>;

/**
 * Opens a database, or joins the threads of this process that have it open.
 *
 * @param location Where its files are: an absolute path, the same in all
 * threads.
 * @returns The database.
 * @throws {Error} If LevelDB cannot open its files.
 */
export async function openDatabase(location: string): Promise<LevelDatabase> {
  const db: LevelDatabase = new ClassicLevel(location, {
    keyEncoding: "view",
    valueEncoding: "view",
    multithreading: true,
  });
  try {
    await db.open();
  } catch (error) {
    throw new Error(`Cannot open "${location}": ${reasonOf(error)}`, {
      cause: error,
    });
  }
  return db;
}

/**
 * Opens a database that no thread of this process has open.
 *
 * @param location Where its files are; the directory is there.
 * @returns The database, with a new log.
 * @throws {Error} If it is open already, or LevelDB cannot open its files.
 */
export async function openAnew(location: string): Promise<LevelDatabase> {
  const before = currentOf(location);
  const db = await openDatabase(location);
  // An instance of a Worker that died may still be there, with its log. Only
  // if there is none does LevelDB write this file.
  if (currentOf(location) !== before) return db;
  await db.close();
  throw new Error(
    `Cannot open "${location}": another thread of this process has it open`,
  );
}

/** The name of LevelDB's newest manifest, if there is one. */
function currentOf(location: string): string | undefined {
  try {
    return Deno.readTextFileSync(`${location}/CURRENT`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Says why LevelDB did not open its files, which it hides in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (!(cause instanceof Error)) return error.message;
  switch ("code" in cause ? cause.code : undefined) {
    case "LEVEL_LOCKED":
      return "another program has LevelDB's files open";
    case "LEVEL_CORRUPTION":
      return `LevelDB's files are damaged: ${cause.message}`;
    default:
      return cause.message;
  }
}
