/**
 * Adding to the files of the log: segments, and bytes at the end of one.
 *
 * @module
 */

import { openDirectory, openIfExists, writeAll } from "../files.ts";
import { asError, WritesRefusedError } from "../errors.ts";
import type { Control } from "./control.ts";
import { createSegment, SEGMENT_HEADER_BYTES, segmentPath } from "./segment.ts";

/** How long another instance's sync is waited for, in ms. */
const MAX_ROUND_MS = 30_000;

/** How often an instance looks whether it still needs its file, in ms. */
const LOOK_MS = 1_000;

/**
 * Appends to one segment at a time: all of the bytes or none.
 *
 * Each thread that writes has its own. Who may append to which segment, and
 * where it ends, is the caller's to know.
 */
export class SegmentAppender {
  readonly #directory: string;
  readonly #control: Control;
  #file: Deno.FsFile | undefined;
  #id = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  /**
   * @param directory The data directory.
   * @param control The store's shared state.
   */
  constructor(directory: string, control: Control) {
    this.#directory = directory;
    this.#control = control;
  }

  /**
   * Makes the next segment, as a file and in the table, sealed. Lock held.
   *
   * @param spare Whether it may be one of those that compaction has to spare.
   * @returns Its file id.
   * @throws {Error} If there are too many, or the disk fails.
   */
  begin({ spare = false } = {}): number {
    const control = this.#control;
    control.assertWritable();
    const id = control.nextFileId();
    const file = createSegment(this.#directory, id);
    try {
      control.segments.add(id, SEGMENT_HEADER_BYTES, { spare });
    } catch (error) {
      file.close();
      Deno.removeSync(segmentPath(this.#directory, id));
      throw error;
    }
    this.#use(id, file);
    return id;
  }

  /**
   * Appends to a segment. If that fails, what was written of it is cut off.
   *
   * @param id The segment.
   * @param sizeBytes Where it ends.
   * @param bytes What to append.
   * @throws {ClosedError} If the store was closed.
   * @throws {WritesRefusedError} If a failure made it unsafe to write.
   * @throws {Error} If the disk fails.
   */
  append(id: number, sizeBytes: number, bytes: Uint8Array): void {
    this.#control.assertWritable();
    const path = segmentPath(this.#directory, id);
    if (this.#id !== id) this.#use(id, Deno.openSync(path, { append: true }));
    const file = this.#file!;
    try {
      writeAll(file, bytes);
    } catch (error) {
      try {
        file.truncateSync(sizeBytes);
      } catch (again) {
        // The file's end is unknown now, so nothing may be appended to it.
        this.#control.refuseWrites(
          `"${path}" could not be cut off after a failed write: ${
            asError(again).message
          }`,
        );
      }
      throw error;
    }
  }

  /** Closes the file. */
  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#file?.close();
    this.#file = undefined;
    this.#id = 0;
  }

  #use(id: number, file: Deno.FsFile): void {
    this.#file?.close();
    this.#file = file;
    this.#id = id;
    this.#timer ??= closeWhenIdle(() => {
      if (this.#id !== this.#control.activeSegment) this.close();
    });
  }
}

/**
 * Looks now and then whether a file is needed still: a segment that others have
 * sealed and compacted away keeps its space as long as it is open somewhere.
 */
export function closeWhenIdle(
  look: () => void,
): ReturnType<typeof setInterval> {
  const timer = setInterval(look, LOOK_MS);
  Deno.unrefTimer(timer);
  return timer;
}

/**
 * Makes all that was appended durable, in this thread. It is not for those who
 * wait for a sync: where the one that leads has just failed and not said so yet,
 * this one may find nothing wrong.
 *
 * @param directory The data directory.
 * @param control The store's shared state.
 * @throws {Error} If the disk fails; then writes are refused.
 */
export function syncAppends(directory: string, control: Control): void {
  const { sealed, active } = control.unsyncedSegments();
  for (const id of active === 0 ? sealed : [...sealed, active]) {
    syncSegment(directory, control, id);
  }
  using names = openDirectory(directory);
  control.orRefuseWrites(directory, () => names?.syncSync());
  control.markSynced(sealed);
}

/**
 * Makes the whole log durable, the copies that compaction made as well. Not
 * while another thread compacts.
 *
 * @param directory The data directory.
 * @param control The store's shared state.
 * @throws {WritesRefusedError} If a sync failed, this one or the one that was
 * under way beside it.
 * @throws {Error} If the disk fails; then writes are refused.
 */
export function syncLog(directory: string, control: Control): void {
  const copies = control.unsyncedCopies();
  for (const id of copies) syncSegment(directory, control, id);
  syncAppends(directory, control);
  // The kernel tells one of two syncs of a failure: it may have been the other,
  // whose thread has not heard of it yet.
  if (!control.syncRounds.waitOver(MAX_ROUND_MS)) {
    throw new Error(
      `Cannot tell what is on disk: another sync has taken ${MAX_ROUND_MS} ms`,
    );
  }
  if (control.hasFailedSync) throw new WritesRefusedError(control.refusal!);
  control.markCopiesSynced(copies);
}

function syncSegment(directory: string, control: Control, id: number): void {
  const path = segmentPath(directory, id);
  // One that compaction has removed meanwhile was synced before.
  using file = openIfExists(path);
  control.orRefuseWrites(path, () => file?.syncDataSync());
}
