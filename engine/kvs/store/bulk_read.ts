/**
 * Reading many values at a time.
 *
 * @module
 */

import {
  isRecordOf,
  isRecordSound,
  RECORD_HEADER_BYTES,
} from "../log/record.ts";
import { readBytes, recordOf, segmentPath } from "../log/segment.ts";
import type { SegmentSource } from "../log/segment_readers.ts";
import type { Entry } from "../index/entries.ts";

/**
 * What lies between two records is read too if it is no more than this, in
 * bytes: reading that takes less time than another call does.
 */
const MAX_GAP_BYTES = 16 * 1024;

/** How much is read at a time, in bytes, unless one record is larger. */
const MAX_RUN_BYTES = 512 * 1024;

/** The memory that values share, in bytes, unless one is larger. */
const BLOCK_BYTES = 2 * MAX_RUN_BYTES;

/** A place in a segment and one in the entries make one exact number. */
const PLACE_BITS = 20;

/**
 * Reads the values of index entries in the order in which their records lie in
 * the log, several with each call of the system where they are near each other.
 *
 * @param directory The data directory, for errors.
 * @param files Where the segments come from.
 * @param entries The entries.
 * @returns Their values, in the order of the entries, the caller's to keep;
 * they share memory. `undefined` where the segment is gone.
 * @throws {CorruptionError} If a record is not what was written.
 */
export function readValues(
  directory: string,
  files: SegmentSource,
  entries: readonly Entry[],
): (Uint8Array | undefined)[] {
  const values: (Uint8Array | undefined)[] = entries.map(() => undefined);
  for (let from = 0; from < entries.length; from += 2 ** PLACE_BITS) {
    const part = entries.slice(from, from + 2 ** PLACE_BITS);
    for (const [segment, order] of inFileOrder(part)) {
      const file = openIfThere(files, segment);
      if (file === undefined) continue;
      const path = segmentPath(directory, segment);
      readSegment(file, path, part, order, (place, value) => {
        values[from + place] = value;
      });
    }
  }
  return values;
}

/** The places of entries by segment, in file order. */
function inFileOrder(entries: readonly Entry[]): Map<number, Uint32Array> {
  const counts = new Map<number, number>();
  for (const { pointer: { segment } } of entries) {
    counts.set(segment, (counts.get(segment) ?? 0) + 1);
  }
  // A place stands in a number that begins with the offset, so that these can
  // be sorted as they are.
  const orders = new Map<number, Float64Array>();
  for (let place = 0; place < entries.length; place++) {
    const { segment, offset } = entries[place].pointer;
    let order = orders.get(segment);
    if (order === undefined) {
      order = new Float64Array(counts.get(segment)!);
      orders.set(segment, order);
      counts.set(segment, 0);
    }
    const filled = counts.get(segment)!;
    order[filled] = offset * 2 ** PLACE_BITS + place;
    counts.set(segment, filled + 1);
  }
  return new Map(
    orders.entries().map(([segment, order]) => [segment, placesIn(order)]),
  );
}

function placesIn(order: Float64Array): Uint32Array {
  order.sort();
  const places = new Uint32Array(order.length);
  for (let i = 0; i < order.length; i++) {
    // What % means, without the call that it takes for such large numbers.
    const offset = Math.floor(order[i] / 2 ** PLACE_BITS);
    places[i] = order[i] - offset * 2 ** PLACE_BITS;
  }
  return places;
}

function openIfThere(
  files: SegmentSource,
  segment: number,
): Deno.FsFile | undefined {
  try {
    return files.open(segment);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Reads the values of one segment. */
function readSegment(
  file: Deno.FsFile,
  path: string,
  entries: readonly Entry[],
  order: Uint32Array,
  visit: (place: number, value: Uint8Array) => void,
): void {
  const entryAt = (i: number) => entries[order[i]];
  const endOf = ({ pointer }: Entry) => pointer.offset + pointer.length;
  /** Values, and after them the run that is being read. */
  let block = new Uint8Array(0);
  let used = 0;
  for (let first = 0; first < order.length;) {
    const { offset } = entryAt(first).pointer;
    let end = endOf(entryAt(first));
    let next = first + 1;
    for (; next < order.length; next++) {
      const entry = entryAt(next);
      if (
        entry.pointer.offset - end > MAX_GAP_BYTES ||
        endOf(entry) - offset > MAX_RUN_BYTES
      ) break;
      end = endOf(entry);
    }
    const runBytes = end - offset;
    if (used + runBytes > block.length) {
      block = new Uint8Array(Math.max(runBytes, BLOCK_BYTES));
      used = 0;
    }
    const run = readBytes(file, offset, block.subarray(used, used + runBytes));
    const base = used;
    for (; first < next; first++) {
      const { key, pointer } = entryAt(first);
      const from = base + pointer.offset - offset;
      const to = from + pointer.length;
      if (
        to > base + run.length || !isRecordSound(block, from, to) ||
        !isRecordOf(block, from, key, pointer.sequence)
      ) recordOf(run.subarray(from - base, to - base), pointer, key, path);
      const valueFrom = from + RECORD_HEADER_BYTES + key.length;
      // What is in front of it is a part of the run that is done with.
      block.copyWithin(used, valueFrom, to);
      // Not subarray(), which takes several times as long.
      visit(
        order[first],
        new Uint8Array(block.buffer, used, to - valueFrom),
      );
      used += to - valueFrom;
    }
  }
}
