/**
 * The memory in which an instance keeps what it has read of the log.
 *
 * @module
 */

import type { LogPointer } from "./log_pointer.ts";
import { CorruptionError, readSegment, segmentPath } from "./segment.ts";

/** Segments are cached in blocks of this size, in bytes. */
const BLOCK_BYTES = 4096;

/** Records longer than this go past the cache, in bytes. */
const MAX_CACHED_RECORD_BYTES = 4 * BLOCK_BYTES;

/** In place of a block's number. */
const NO_BLOCK = -1;

/** Blocks of a segment that have a number of their own. */
const BLOCKS_PER_SEGMENT = 2 ** 20;

/**
 * A cache of blocks of segments, as LevelDB has one, replaced by the clock
 * algorithm (Corbató 1968).
 *
 * What was published never changes, and file ids are never used twice, so a
 * block never becomes wrong. It may only become longer, where the segment
 * still grows: how far its bytes were published is noted with it.
 */
export class BlockCache {
  readonly #directory: string;
  readonly #publishedSize: (segment: number) => number | undefined;
  readonly #frames: Uint8Array;
  /** For each frame the block it holds, its length, and whether it was used. */
  readonly #blocks: Float64Array;
  readonly #lengths: Uint16Array;
  readonly #used: Uint8Array;
  readonly #frameOf = new Map<number, number>();
  #framesInUse = 0;
  #hand = 0;
  #record = new Uint8Array(MAX_CACHED_RECORD_BYTES);

  /**
   * @param directory The data directory.
   * @param sizeBytes The memory it may use, in bytes; committed at first use.
   * @param publishedSize How many bytes of a segment are final, if that is
   * known.
   */
  constructor(
    directory: string,
    sizeBytes: number,
    publishedSize: (segment: number) => number | undefined,
  ) {
    const frames = Math.floor(sizeBytes / BLOCK_BYTES);
    this.#directory = directory;
    this.#publishedSize = publishedSize;
    this.#frames = new Uint8Array(frames * BLOCK_BYTES);
    this.#blocks = new Float64Array(frames);
    this.#lengths = new Uint16Array(frames);
    this.#used = new Uint8Array(frames);
  }

  /**
   * Reads a record, from memory if it can.
   *
   * @param pointer Where the record lies.
   * @returns The record, unchecked, valid until the next call.
   * @throws {Deno.errors.NotFound} If the segment is gone, and with it the
   * right to trust the pointer.
   */
  read({ segment, offset, length }: LogPointer): Uint8Array {
    if (
      length > MAX_CACHED_RECORD_BYTES || this.#blocks.length === 0
    ) return this.#readPast(segment, offset, length);
    const block = Math.floor(offset / BLOCK_BYTES);
    const from = offset - block * BLOCK_BYTES;
    const to = from + length;
    if (to <= BLOCK_BYTES) {
      const at = this.#frame(segment, block, to) * BLOCK_BYTES;
      return this.#frames.subarray(at + from, at + to);
    }
    return this.#readSpanning(segment, block, from, length);
  }

  /** Reads a record that lies in several blocks. */
  #readSpanning(
    segment: number,
    firstBlock: number,
    firstFrom: number,
    length: number,
  ): Uint8Array {
    const record = this.#record.subarray(0, length);
    let block = firstBlock;
    let from = firstFrom;
    for (let done = 0; done < length; block++, from = 0) {
      const to = Math.min(BLOCK_BYTES, from + length - done);
      const at = this.#frame(segment, block, to) * BLOCK_BYTES;
      record.set(this.#frames.subarray(at + from, at + to), done);
      done += to - from;
    }
    return record;
  }

  #readPast(segment: number, offset: number, length: number): Uint8Array {
    if (length > this.#record.length) {
      // Not kept: one huge value must not cost its size for ever.
      const record = new Uint8Array(length);
      this.#load(segment, offset, record);
      return record;
    }
    const record = this.#record.subarray(0, length);
    this.#load(segment, offset, record);
    return record;
  }

  /** The frame that holds a block, at least the first `length` bytes of it. */
  #frame(segment: number, block: number, length: number): number {
    const id = segment * BLOCKS_PER_SEGMENT + block;
    const known = this.#frameOf.get(id);
    if (known !== undefined && this.#lengths[known] >= length) {
      this.#used[known] = 1;
      return known;
    }
    const start = block * BLOCK_BYTES;
    const published = this.#publishedSize(segment) ?? 0;
    const wanted = Math.min(
      BLOCK_BYTES,
      Math.max(published - start, length),
    );
    const frame = known ?? this.#freeFrame();
    // Forgotten until it is read, which may fail.
    if (known !== undefined) this.#frameOf.delete(id);
    this.#blocks[frame] = NO_BLOCK;
    const at = frame * BLOCK_BYTES;
    this.#load(segment, start, this.#frames.subarray(at, at + wanted));
    this.#blocks[frame] = id;
    this.#frameOf.set(id, frame);
    this.#lengths[frame] = wanted;
    this.#used[frame] = 1;
    return frame;
  }

  /** A frame that was never used, or the first not used for a round. */
  #freeFrame(): number {
    if (this.#framesInUse < this.#blocks.length) return this.#framesInUse++;
    for (;;) {
      const frame = this.#hand;
      this.#hand = (frame + 1) % this.#blocks.length;
      if (this.#used[frame] === 0) {
        this.#frameOf.delete(this.#blocks[frame]);
        return frame;
      }
      this.#used[frame] = 0;
    }
  }

  #load(segment: number, offset: number, into: Uint8Array): void {
    const path = segmentPath(this.#directory, segment);
    const read = readSegment(path, offset, into);
    if (read < into.length) {
      throw new CorruptionError(path, offset + read, "file ends too early");
    }
  }
}
