/**
 * Adding to the files of the log: segments, and bytes at the end of one.
 *
 * @module
 */

import { asError } from "../../errors.ts";
import { writeAll } from "../../files.ts";
import type { Refusal } from "./refusal.ts";
import { createSegment, segmentPath } from "./segment.ts";

/** How often an instance checks whether it still needs its file, in ms. */
const CHECK_MS = 1_000;

/**
 * Appends to one segment at a time: all of the bytes or none.
 *
 * Each thread that writes has its own. Who may append to which segment, and
 * where it ends, is the caller's to know.
 */
export class SegmentAppender implements Disposable {
  readonly #directory: string;
  readonly #refusal: Refusal | undefined;
  #file: Deno.FsFile | undefined;
  #id = 0;

  /**
   * @param directory The data directory.
   * @param refusal Set where the end of a segment is not known any more.
   */
  constructor(directory: string, refusal?: Refusal) {
    this.#directory = directory;
    this.#refusal = refusal;
  }

  /** The file id of the segment that is open; 0 for none. */
  get id(): number {
    return this.#id;
  }

  /** Makes an empty segment. */
  begin(id: number): void {
    this.#use(id, createSegment(this.#directory, id));
  }

  /**
   * Appends to a segment. If that fails, what was written of it is cut off.
   *
   * @param id The segment.
   * @param sizeBytes Where it ends.
   * @param bytes What to append.
   * @throws {Error} If the disk fails.
   */
  append(id: number, sizeBytes: number, bytes: Uint8Array): void {
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
        this.#refusal?.refuse(
          `"${path}" could not be cut off after a failed write: ${
            asError(again).message
          }`,
        );
      }
      throw error;
    }
  }

  /** Syncs the segment that is open. */
  sync(): void {
    this.#file?.syncSync();
  }

  /** Closes the file, if one is open. */
  [Symbol.dispose](): void {
    this.#file?.close();
    this.#file = undefined;
    this.#id = 0;
  }

  #use(id: number, file: Deno.FsFile): void {
    this.#file?.close();
    this.#file = file;
    this.#id = id;
  }
}

/**
 * Checks now and then whether a file is still needed: a segment that others
 * have sealed and compacted away keeps its space as long as it is open
 * somewhere.
 */
export function closeWhenIdle(
  check: () => void,
): ReturnType<typeof setInterval> {
  const timer = setInterval(check, CHECK_MS);
  Deno.unrefTimer(timer);
  return timer;
}
