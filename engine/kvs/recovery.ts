/**
 * Opening a store: from the files of a directory to the index.
 *
 * @module
 */

import type { Control } from "./control.ts";
import { emptyPointer } from "./log_pointer.ts";
import { RECORD_HEADER_BYTES, type RecordHeader } from "./record.ts";
import {
  type Damage,
  fileIdOf,
  scanSegment,
  SEGMENT_HEADER_BYTES,
  segmentPath,
} from "./segment.ts";
import { DAMAGED } from "./segment_table.ts";
import type { SkipMap } from "./skip_map.ts";

/** The length in the pointer of a removed key, while the log is replayed. */
const TOMBSTONE = 0;

/**
 * Fills the index from segments given in any order: of two records of a key
 * the one with the greater sequence number is the newer.
 */
export class IndexLoader {
  readonly #control: Control;
  readonly #index: SkipMap;
  readonly #tombstones: Uint8Array[] = [];
  readonly #pointer = emptyPointer();
  readonly #previous = emptyPointer();
  #maxSequence = 0;

  /**
   * @param control Where dead bytes are counted; it knows the segments.
   * @param index The index to fill.
   */
  constructor(control: Control, index: SkipMap) {
    this.#control = control;
    this.#index = index;
  }

  /** The greatest sequence number seen. */
  get maxSequence(): number {
    return this.#maxSequence;
  }

  /**
   * Takes one record into account.
   *
   * @param key Its key; not kept.
   * @param segment Its segment, which the control block must know.
   * @param offset Where it begins, in bytes.
   * @param length Its length in bytes.
   * @param sequence Its sequence number.
   * @param tombstone Whether it is one.
   */
  add(
    key: Uint8Array,
    segment: number,
    offset: number,
    length: number,
    sequence: number,
    tombstone: boolean,
  ): void {
    if (sequence > this.#maxSequence) this.#maxSequence = sequence;
    const control = this.#control;
    control.segments.lowerMinSequence(segment, sequence);
    if (tombstone) control.segments.addTombstones(segment, length);
    const pointer = this.#pointer;
    const previous = this.#previous;
    const known = this.#index.get(key, previous);
    // Equal numbers: compaction was interrupted after it had copied a record.
    if (known && previous.sequence > sequence) {
      if (!tombstone) control.segments.addDead(segment, length);
      return;
    }
    if (known && previous.length !== TOMBSTONE) {
      control.segments.addDead(previous.segment, previous.length);
    }
    pointer.segment = segment;
    pointer.offset = offset;
    pointer.length = tombstone ? TOMBSTONE : length;
    pointer.sequence = sequence;
    this.#index.set(key, pointer, previous);
    if (tombstone) this.#tombstones.push(key.slice());
  }

  /** Ends the replay: removed keys leave the index. */
  finish(): void {
    for (const key of this.#tombstones) {
      if (
        this.#index.get(key, this.#pointer) &&
        this.#pointer.length === TOMBSTONE
      ) this.#index.remove(key, this.#previous);
    }
    this.#control.sequence = this.#maxSequence;
  }
}

/**
 * Rebuilds the index and the shared state from the segments of a directory.
 * Cuts an unfinished last write off a segment.
 *
 * @param directory The data directory, locked by the caller.
 * @param control The shared state to fill.
 * @param index The index to fill.
 * @param segmentBytes The size at which a segment is sealed, in bytes.
 * @returns What was cut, and what can't be read.
 */
export function recover(
  directory: string,
  control: Control,
  index: SkipMap,
  segmentBytes: number,
): Damage[] {
  const damage: Damage[] = [];
  const loader = new IndexLoader(control, index);
  const ids = segmentIds(directory);
  const unsound: Parameters<IndexLoader["add"]>[] = [];
  /** The newest segment, if it can be appended to. */
  let appendable = 0;
  for (const id of ids) {
    control.reserveFileIds(id);
    const path = segmentPath(directory, id);
    control.segments.add(id, 0);
    const visit = (
      header: RecordHeader,
      offset: number,
      bytes: Uint8Array,
      sound: boolean,
    ) => {
      const key = bytes.subarray(
        RECORD_HEADER_BYTES,
        RECORD_HEADER_BYTES + header.keyLength,
      );
      if (sound) {
        loader.add(
          key,
          id,
          offset,
          bytes.length,
          header.sequence,
          header.tombstone,
        );
      } else {
        unsound.push([
          key.slice(),
          id,
          offset,
          bytes.length,
          header.sequence,
          false,
        ]);
      }
    };
    const scan = scanSegment(path, id, visit);
    damage.push(...scan.damage);
    if (scan.damage.length > 0) control.segments.setFlags(id, DAMAGED);
    if (scan.tailOffset < scan.sizeBytes) {
      damage.push({
        path,
        offset: scan.tailOffset,
        length: scan.sizeBytes - scan.tailOffset,
        reason: "unfinished write at the end was cut off",
      });
      Deno.truncateSync(path, scan.tailOffset);
    }
    if (scan.tailOffset < SEGMENT_HEADER_BYTES) {
      // Not even its header was finished when the process died.
      Deno.removeSync(path);
      control.dropSegment(id);
      continue;
    }
    control.segments.setSize(id, scan.tailOffset);
    appendable = scan.damage.length === 0 && scan.tailOffset < segmentBytes
      ? id
      : 0;
  }
  // A damaged record hides its key's older values: an error is better than a
  // value from the past. Its own header may be wrong, though, and must not
  // win over what comes later.
  const limit = loader.maxSequence + unsound.length;
  for (const record of unsound) {
    if (record[4] <= limit) loader.add(...record);
  }
  loader.finish();
  if (appendable !== 0) control.activate(appendable);
  return damage;
}

function segmentIds(directory: string): number[] {
  const ids: number[] = [];
  for (const entry of Deno.readDirSync(directory)) {
    const id = fileIdOf(entry.name, ".log");
    if (entry.isFile && id !== undefined) ids.push(id);
  }
  return ids.sort((a, b) => a - b);
}
