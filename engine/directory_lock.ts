/**
 * The lock of a data directory.
 *
 * @module
 */

import { LockedError } from "./errors.ts";
import { removeIfExists } from "./files.ts";

/** The file that is locked, in the directory. */
export const LOCK_FILE = "LOCK";

/** Others may remove the file in the moment before it is locked. */
const MAX_TRIES = 100;

/**
 * The lock that this process has on a data directory. The operating system
 * releases it when the process dies, however it dies.
 */
export class DirectoryLock {
  readonly #file: Deno.FsFile;
  readonly #path: string;
  /** Whether the file goes when the lock is released. */
  readonly #isTransient: boolean;

  private constructor(file: Deno.FsFile, path: string, isTransient: boolean) {
    this.#file = file;
    this.#path = path;
    this.#isTransient = isTransient;
  }

  /**
   * Locks a directory.
   *
   * @param directory The directory.
   * @param options Whether a file that was not there goes with the lock.
   * @returns The lock.
   * @throws {LockedError} If another one has it.
   * @throws {Error} If its file is no file, or cannot be opened.
   */
  static take(
    directory: string,
    { isTransient }: { readonly isTransient: boolean },
  ): DirectoryLock {
    // Absolute, since the file may have to be found again.
    const path = `${Deno.realPathSync(directory)}/${LOCK_FILE}`;
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const opened = openLockFile(directory, path);
      if (opened === undefined) continue;
      const { file, isNew } = opened;
      let taken = false;
      try {
        if (!file.tryLockSync(true)) {
          throw new LockedError(directory, readOwner(file));
        }
        // Else another process could lock a new file of the same name, or what
        // is written would go to a file that somebody links to.
        taken = isAt(path, file);
        if (taken) return new DirectoryLock(file, path, isNew && isTransient);
      } finally {
        if (!taken) file.close();
      }
    }
    throw cannotOpen(directory, `its file ${LOCK_FILE} comes and goes`);
  }

  /**
   * Leaves the name of the owner, as far as there is room for it on the disk:
   * the lock holds without it.
   *
   * @param addr Where it serves the directory, as `host:port`.
   */
  nameOwner(addr?: string): void {
    const file = this.#file;
    const owner = `${Deno.pid}\n${addr === undefined ? "" : `${addr}\n`}`;
    file.truncateSync(0);
    file.seekSync(0, Deno.SeekMode.Start);
    try {
      file.writeSync(new TextEncoder().encode(owner));
    } catch {
      // Those that find it locked are told less.
    }
  }

  /** Gives the lock back. */
  release(): void {
    const file = this.#file;
    // While it is locked: one that is about to lock it finds out.
    if (this.#isTransient) removeIfExists(this.#path);
    else file.truncateSync(0);
    // Closing it alone may leave it locked for a moment: a process that this
    // one is just starting has the file as well, until it runs its program.
    file.unlockSync();
    file.close();
  }
}

/** What a data directory that cannot be opened fails with. */
export function cannotOpen(
  path: string,
  reason: string,
  cause?: unknown,
): Error {
  return new Error(
    `Cannot open data directory "${path}": ${reason}`,
    cause === undefined ? undefined : { cause },
  );
}

/** Opens the file, or fails to because it went; never follows a link. */
function openLockFile(
  directory: string,
  path: string,
): { readonly file: Deno.FsFile; readonly isNew: boolean } | undefined {
  const options = { read: true, write: true, mode: 0o600 };
  try {
    if (Deno.lstatSync(path).isFile) {
      return { file: Deno.openSync(path, options), isNew: false };
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    try {
      const file = Deno.openSync(path, { ...options, createNew: true });
      return { file, isNew: true };
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) return undefined;
      throw error;
    }
  }
  throw cannotOpen(directory, `its ${LOCK_FILE} is not a regular file`);
}

/** Whether a path leads to an open file, and not by way of a link. */
function isAt(path: string, file: Deno.FsFile): boolean {
  try {
    const { isFile, dev, ino } = Deno.lstatSync(path);
    const opened = file.statSync();
    return isFile && dev === opened.dev && ino === opened.ino;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Who has a file locked, as far as it tells. */
function readOwner(lock: Deno.FsFile): { pid?: number; addr?: string } {
  const buffer = new Uint8Array(1024);
  let length: number | null;
  try {
    length = lock.readSync(buffer);
  } catch {
    // Windows does not let others read a locked file.
    length = null;
  }
  const [pid, addr] = new TextDecoder()
    .decode(buffer.subarray(0, length ?? 0)).split("\n");
  return {
    pid: /^[0-9]+$/.test(pid) ? Number(pid) : undefined,
    addr: addr || undefined,
  };
}
