/**
 * The data directory: who owns it, and which engine's files it holds.
 *
 * @module
 */

import { hasLiveInstances } from "./sync/instance_lock.ts";
import { NotFoundError, WrongEngineError } from "./errors.ts";
import { cannotOpen, DirectoryLock, LOCK_FILE } from "./directory_lock.ts";
import type { EngineName } from "./engine.ts";
import { parentDirectory, syncDirectory, writeFileAtomic } from "./files.ts";

const ENGINE_FILE = "ENGINE";

/**
 * What a directory may hold and yet count as empty: traces of an opening that
 * a crash cut short, and what a file system puts at the root of a volume.
 */
const IGNORED_NAMES = new Set([
  LOCK_FILE,
  ENGINE_FILE,
  `${ENGINE_FILE}.tmp`,
  "lost+found",
]);

/** The version of each engine's files that this program reads and writes. */
const FORMAT_VERSIONS: Readonly<Record<EngineName, number>> = {
  kvs: 1,
  level: 1,
};

/** The engines that a data directory can belong to. */
export const ENGINE_NAMES = Object.keys(
  FORMAT_VERSIONS,
) as readonly EngineName[];

/** Options for {@linkcode DataDirectory.open}. */
export interface DataDirectoryOptions {
  /**
   * The engine that opens the directory.
   *
   * @default the directory's own, `kvs` for a new one
   */
  readonly engine?: EngineName;
  /**
   * Whether to make the directory, or take an empty one, if it holds no store
   * yet.
   *
   * @default {false}
   */
  readonly create?: boolean;
}

/**
 * A data directory that this process has locked.
 *
 * Its file `LOCK` is locked while the directory is open and names the owner;
 * the operating system releases it when the process dies, however it dies. Its
 * file `ENGINE` holds the engine's name and the version of its file format.
 *
 * @example Locking a directory
 * ```ts
 * import { DataDirectory } from "./directory.ts";
 * import { assertThrows } from "@std/assert";
 *
 * const path = Deno.makeTempDirSync();
 * using directory = DataDirectory.open(path, { engine: "kvs", create: true });
 * assertThrows(() => DataDirectory.open(path), Error, `process ${Deno.pid}`);
 * ```
 */
export class DataDirectory implements Disposable {
  /** The directory's absolute path, with symbolic links resolved. */
  readonly path: string;
  /** The engine that the store in it belongs to. */
  readonly engine: EngineName;
  readonly #lock: DirectoryLock;
  #open = true;

  private constructor(path: string, engine: EngineName, lock: DirectoryLock) {
    this.path = path;
    this.engine = engine;
    this.#lock = lock;
  }

  /**
   * Locks a data directory for an engine, making it first if asked to.
   *
   * @param path The directory.
   * @param options Which engine opens it, and whether it may be new.
   * @returns The directory, locked until it is closed.
   * @throws {LockedError} If it is locked already.
   * @throws {Error} If the directory is not there or holds no store and
   * `create` is not set, if it holds files of something else, if it belongs to
   * another engine or to a newer format, or if the system denies access.
   */
  static open(
    path: string,
    { engine, create = false }: DataDirectoryOptions = {},
  ): DataDirectory {
    return inHouseStyle(path, () => {
      if (!isDirectory(path)) {
        if (!create) throw new NotFoundError(path, "it does not exist");
        makeDirectory(path, 0o700);
      }
      // Before the lock is made, so that a stranger's directory stays as it is.
      const found = readEngineFile(path);
      if (found === undefined) checkEmpty(path, create);
      else checkNote(path, found, engine ?? found.engine);
      const lock = DirectoryLock.take(path, { isTransient: !create });
      try {
        // Again, now that nobody else can be making the store.
        let note = readEngineFile(path);
        if (note === undefined) {
          note = newNote(engine ?? "kvs");
          writeEngineFile(path, note);
        }
        checkNote(path, note, engine ?? note.engine);
        if (hasLiveInstances(path)) {
          throw cannotOpen(
            path,
            "Workers that have outlived the opener of the store still have it open",
          );
        }
        lock.nameOwner();
        return new DataDirectory(Deno.realPathSync(path), note.engine, lock);
      } catch (error) {
        lock.release();
        throw error;
      }
    });
  }

  /**
   * Tells those that find the directory locked where its data is served.
   *
   * @param address The address, as `host:port`.
   */
  setAddress(address: string): void {
    this.#lock.nameOwner(address);
  }

  /** Unlocks the directory; a second call does nothing. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#lock.release();
  }

  /** Closes the directory at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Finds the store in a data directory, and changes nothing there.
 *
 * @param path The directory.
 * @param engine Which engine it must belong to; any by default.
 * @returns Its absolute path, and the engine that the store belongs to. Another
 * process may have it locked.
 * @throws {Error} If there is no store, or one of another engine or of a newer
 * format.
 */
export function findStore(
  path: string,
  engine?: EngineName,
): Pick<DataDirectory, "path" | "engine"> {
  return inHouseStyle(path, () => {
    if (!isDirectory(path)) throw new NotFoundError(path, "it does not exist");
    const note = readEngineFile(path);
    if (note === undefined) throw new NotFoundError(path, "it holds no store");
    checkNote(path, note, engine ?? note.engine);
    return { path: Deno.realPathSync(path), engine: note.engine };
  });
}

/**
 * Tells whether a data directory could not be opened since it is on a read-only
 * file system.
 *
 * @param error What opening it failed with.
 * @returns Whether that is why.
 */
export function isReadOnlyFileSystem(error: unknown): boolean {
  return error instanceof Error && codeOf(error.cause) === "EROFS";
}

/** What the file `ENGINE` says. */
interface EngineNote {
  readonly engine: EngineName;
  readonly formatVersion: number;
}

function newNote(engine: EngineName): EngineNote {
  return { engine, formatVersion: FORMAT_VERSIONS[engine] };
}

/** Runs a body, and says of the system's errors which directory they are of. */
function inHouseStyle<T>(path: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    const reason = systemReason(error);
    throw reason === undefined ? error : cannotOpen(path, reason, error);
  }
}

/** What the system says went wrong, if it is the system's error. */
function systemReason(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const text = /^(.+) \(os error [0-9]+\)/.exec(error.message)?.[1];
  return text && text[0].toLowerCase() + text.slice(1);
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function isDirectory(path: string): boolean {
  try {
    if (Deno.statSync(path).isDirectory) return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    if (!(error instanceof Deno.errors.NotADirectory)) throw error;
  }
  throw cannotOpen(path, "it is not a directory");
}

/** Makes a directory and its missing parents, each durable in the one above. */
function makeDirectory(path: string, mode?: number): void {
  const parent = parentDirectory(path);
  if (parent !== path && !isDirectory(parent)) makeDirectory(parent);
  // Not an error if it is there by now: another process may be as quick.
  Deno.mkdirSync(path, { recursive: true, mode });
  syncDirectory(parent);
}

function checkEmpty(path: string, create: boolean): void {
  for (const { name } of Deno.readDirSync(path)) {
    if (IGNORED_NAMES.has(name)) continue;
    throw cannotOpen(
      path,
      `it holds other files, such as "${name}", and no store`,
    );
  }
  if (!create) throw new NotFoundError(path, "it holds no store");
}

function readEngineFile(path: string): EngineNote | undefined {
  let content: string;
  try {
    content = Deno.readTextFileSync(`${path}/${ENGINE_FILE}`);
  } catch (error) {
    if (
      error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory
    ) return undefined;
    throw error;
  }
  const match = /^([a-z]+) ([1-9][0-9]*)\n$/.exec(content);
  const engine = ENGINE_NAMES.find((name) => name === match?.[1]);
  if (match === null || engine === undefined) {
    throw cannotOpen(
      path,
      `its file ${ENGINE_FILE} names no engine of this version: ${
        JSON.stringify(content.slice(0, 40))
      }`,
    );
  }
  return { engine, formatVersion: Number(match[2]) };
}

function writeEngineFile(path: string, note: EngineNote): void {
  const content = `${note.engine} ${note.formatVersion}\n`;
  writeFileAtomic(
    `${path}/${ENGINE_FILE}`,
    new TextEncoder().encode(content),
  );
}

function checkNote(path: string, note: EngineNote, engine: EngineName): void {
  if (note.engine !== engine) {
    throw new WrongEngineError(path, note.engine, engine);
  }
  const known = FORMAT_VERSIONS[engine];
  if (note.formatVersion > known) {
    throw cannotOpen(
      path,
      `it has format ${note.formatVersion} of engine ${engine}, and this version knows only up to ${known}`,
    );
  }
}
