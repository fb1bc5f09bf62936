/**
 * The segments of a store that others write to.
 *
 * @module
 */

import { listSegments, segmentPath } from "./segment.ts";
import type { SegmentSource } from "./segment_readers.ts";

/** A segment that is held open. */
export interface HeldSegment {
  /** The file id. */
  readonly id: number;
  /** How much of it counts, in bytes; it may have grown since. */
  readonly sizeBytes: number;
  /** The file, open for reading. */
  readonly file: Deno.FsFile;
}

/**
 * All segments of a log at one moment, open until they are closed, whoever
 * removes them meanwhile.
 */
export class HeldSegments implements SegmentSource, Disposable {
  /** The segments, in order of file id. */
  readonly list: readonly HeldSegment[];
  readonly #files: Map<number, Deno.FsFile>;

  private constructor(
    files: Map<number, Deno.FsFile>,
    sizeOf: (id: number, file: Deno.FsFile) => number,
  ) {
    this.#files = files;
    this.list = Array.from(files, ([id, file]) => ({
      id,
      sizeBytes: sizeOf(id, file),
      file,
    }));
  }

  /**
   * Opens the segments of a log, of which a compaction may remove some and make
   * others meanwhile.
   *
   * What a segment holds is copied to another before it goes, and a tombstone
   * goes only if the records that it hides went before. So segments that were
   * all there together are a whole log, and others might be none.
   *
   * @param directory The data directory.
   * @returns The segments, or `undefined` where they were not there together;
   * the next try may have more luck.
   * @throws {Error} If a file cannot be opened.
   */
  static tryOpen(directory: string): HeldSegments | undefined {
    return hold((files) => {
      openAll(directory, listSegments(directory), files);
      // A listing during which a segment was copied and removed may have missed
      // the original and the copy. File ids are never used twice: what is there
      // now and was there before has been there all the while.
      const now = listSegments(directory);
      if (now.length !== files.size || !now.every((id) => files.has(id))) {
        return undefined;
      }
      // Only now, in order of file id: nothing is appended to a segment once
      // the next one to be written is there. So what counts is what had been
      // written up to one moment.
      return new HeldSegments(files, (_, file) => file.statSync().size);
    });
  }

  /**
   * Opens segments of which the owner of the log has said that they are all of
   * it at one moment.
   *
   * @param directory The data directory.
   * @param segments The segments, in order of file id.
   * @returns The segments, or `undefined` where a compaction has removed one
   * since.
   * @throws {Error} If a file cannot be opened.
   */
  static tryOpenThese(
    directory: string,
    segments: readonly Pick<HeldSegment, "id" | "sizeBytes">[],
  ): HeldSegments | undefined {
    const sizes = new Map(segments.map(({ id, sizeBytes }) => [id, sizeBytes]));
    return hold((files) => {
      openAll(directory, sizes.keys(), files);
      return new HeldSegments(files, (id) => sizes.get(id)!);
    });
  }

  /** @inheritdoc */
  open(segment: number): Deno.FsFile {
    const file = this.#files.get(segment);
    if (file === undefined) throw new Error(`Segment ${segment} is not open`);
    return file;
  }

  /** @inheritdoc */
  close(): void {
    closeAll(this.#files);
  }

  /** Closes all files at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** Opens files, and closes them again unless something comes of it. */
function hold(
  open: (files: Map<number, Deno.FsFile>) => HeldSegments | undefined,
): HeldSegments | undefined {
  const files = new Map<number, Deno.FsFile>();
  let held: HeldSegments | undefined;
  try {
    held = open(files);
    return held;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  } finally {
    if (held === undefined) closeAll(files);
  }
}

function openAll(
  directory: string,
  ids: Iterable<number>,
  files: Map<number, Deno.FsFile>,
): void {
  for (const id of ids) {
    files.set(id, Deno.openSync(segmentPath(directory, id)));
  }
}

function closeAll(files: Map<number, Deno.FsFile>): void {
  for (const file of files.values()) file.close();
  files.clear();
}
