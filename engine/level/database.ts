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
