/**
 * Telling whether an instance of a store still runs.
 *
 * @module
 */

import { openIfExists, removeIfExists } from "../files.ts";

/** Ids from here on belong to instances without a lock file. */
const UNKNOWN = 2 ** 28;

/** The file that an instance of a store holds locked while it runs. */
const LOCK_NAME = /^LOCK\.([1-9][0-9]*)$/;

/**
 * The threads among which one may hold something: a lock, a leadership.
 *
 * A holder is named by its id in shared memory, and the operating system knows
 * whether it lives: each has a file of its own locked (`LOCK.<id>`), and the
 * lock goes when its thread ends, whether it returns, throws or is terminated.
 */
export interface Holder {
  /** The id of this thread's instance, 1 to 2^29 - 1. */
  readonly id: number;
  /**
   * Tells whether an instance still runs.
   *
   * @param id Its id.
   * @returns Whether it does, as far as can be known.
   */
  isAlive(id: number): boolean;
}

/** A holder among instances that can't tell whether another one runs. */
export const UNKNOWN_HOLDER: Holder = { id: UNKNOWN, isAlive: () => true };

/** The place of one instance of a store among the others of its process. */
export class InstanceLock implements Holder {
  readonly id: number;
  readonly #directory: string;
  #file: Deno.FsFile | undefined;

  /**
   * Takes the place. Where its file can't be made, for instance without free
   * descriptors, the instance counts as alive for good.
   *
   * @param directory The data directory.
   * @param id An id from 1 that no instance in this directory has or had, of
   * this store or of one that was closed: it may close later.
   */
  constructor(directory: string, id: number) {
    this.#directory = directory;
    const path = `${directory}/LOCK.${id}`;
    try {
      const file = Deno.openSync(path, {
        read: true,
        write: true,
        createNew: true,
        mode: 0o600,
      });
      if (file.tryLockSync(true)) this.#file = file;
      else file.close();
    } catch {
      // Told apart below.
    }
    this.id = this.#file === undefined ? UNKNOWN + id : id;
  }

  /** @inheritdoc */
  isAlive(id: number): boolean {
    if (id === this.id || id >= UNKNOWN) return true;
    return isLocked(`${this.#directory}/LOCK.${id}`);
  }

  /** Gives the place back; a second call does nothing. */
  release(): void {
    if (this.#file === undefined) return;
    try {
      removeIfExists(`${this.#directory}/LOCK.${this.id}`);
    } catch {
      // It stays, unlocked.
    }
    this.#file.close();
    this.#file = undefined;
  }
}

/**
 * Removes the lock files that instances which died have left.
 *
 * @param directory The data directory.
 * @returns Whether some instance still runs: one in a Worker that has outlived
 * the thread which opened the store.
 */
export function hasLiveInstances(directory: string): boolean {
  let alive = false;
  for (const { name } of Deno.readDirSync(directory)) {
    if (LOCK_NAME.test(name) && isLocked(`${directory}/${name}`)) alive = true;
  }
  return alive;
}

/** Removes all lock files: their instances can't write any more. */
export function removeInstanceLocks(directory: string): void {
  try {
    for (const { name } of Deno.readDirSync(directory)) {
      if (LOCK_NAME.test(name)) removeIfExists(`${directory}/${name}`);
    }
  } catch {
    // Whatever is left there, the next opening finds that nobody has it locked.
  }
}

/** Whether a lock file is held; one that is not goes. */
function isLocked(path: string): boolean {
  let file: Deno.FsFile | undefined;
  try {
    file = openIfExists(path);
    if (file === undefined) return false;
    if (!file.tryLockSync(true)) return true;
  } catch {
    // It can't be known, so it counts as alive.
    return true;
  } finally {
    file?.close();
  }
  try {
    removeIfExists(path);
  } catch {
    // On a read-only file system it stays.
  }
  return false;
}
