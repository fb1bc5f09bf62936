/**
 * Segments that are open for reading.
 *
 * @module
 */

import { segmentPath } from "./segment.ts";

/** The most files to have open at a time. */
const MAX_FILES = 16;

/** How long files stay open, in milliseconds. */
const OPEN_MS = 1_000;

/** Where an instance gets the segments from that it reads. */
export interface SegmentSource {
  /**
   * A segment, open for reading.
   *
   * @param segment Its file id.
   * @returns The file; it stays open until control goes back to the event loop.
   * @throws {Deno.errors.NotFound} If the segment is gone.
   */
  open(segment: number): Deno.FsFile;
  /** Closes all files. */
  close(): void;
}

/**
 * The files of one instance's reads. Opening and closing one costs more than
 * reading from it, so a file is used by all reads of about a second. Then all
 * are closed, and with them a segment that compaction has removed meanwhile
 * gives its space back.
 */
export class SegmentReaders implements SegmentSource {
  readonly #directory: string;
  readonly #files = new Map<number, Deno.FsFile>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param directory The data directory. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** @inheritdoc */
  open(segment: number): Deno.FsFile {
    const known = this.#files.get(segment);
    if (known !== undefined) return known;
    const file = Deno.openSync(segmentPath(this.#directory, segment));
    if (this.#files.size >= MAX_FILES) this.close();
    this.#files.set(segment, file);
    if (this.#timer === undefined) {
      const timer = setTimeout(() => this.close(), OPEN_MS);
      Deno.unrefTimer(timer);
      this.#timer = timer;
    }
    return file;
  }

  /** @inheritdoc */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const file of this.#files.values()) file.close();
    this.#files.clear();
  }
}
