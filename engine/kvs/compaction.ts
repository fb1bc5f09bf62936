/**
 * Compaction: copying what is live out of a segment, so that the segment can
 * go (Bitcask calls it merge).
 *
 * @module
 */

import type { CompactionProgress, CompactionReport } from "../engine.ts";
import { openDirectory, syncDirectory } from "../files.ts";
import type { Control } from "./control.ts";
import { removeHint, writeHint } from "./hint.ts";
import { emptyPointer, type LogPointer } from "./log_pointer.ts";
import { WritesRefusedError } from "./log_writer.ts";
import { RECORD_HEADER_BYTES, type RecordHeader } from "./record.ts";
import {
  CorruptionError,
  createSegment,
  scanSegment,
  SEGMENT_HEADER_BYTES,
  segmentPath,
  writeAll,
} from "./segment.ts";
import { DAMAGED, HINTED, SEALED, type SegmentState } from "./segment_table.ts";
import type { SkipMap } from "./skip_map.ts";
import { removeSnapshot } from "./snapshot.ts";

/** Copies are gathered up to this size, in bytes, before they are written. */
const GATHER_BYTES = 256 * 1024;

/** Pointers moved in one hold of the write lock: some tens of microseconds. */
const MOVES_PER_LOCK = 32;

/** Which segments a compaction takes. */
export type CompactionScope =
  /** Every segment that has anything to give back, the active one too. */
  | "all"
  /** Only segments that are half dead or more. */
  | "worthwhile"
  /** None; sealed segments get their hint files, as they do in any case. */
  | "hints";

/** What a compaction works on: one instance's view of an open store. */
export interface CompactionContext {
  /** The data directory. */
  readonly directory: string;
  /** The store's shared state. */
  readonly control: Control;
  /** The store's index. */
  readonly index: SkipMap;
  /** The size at which a segment is sealed, in bytes. */
  readonly segmentBytes: number;
}

/**
 * Compacts a store while readers and writers go on. Runs synchronously, so in
 * a Worker of its own; one at a time.
 *
 * Segments are taken one by one, so that the extra space on disk is about one
 * segment. A crash at any point leaves each live record in at least one
 * segment: the copy is on disk before the original goes, and equal sequence
 * numbers tell that they are the same.
 *
 * @param context The store.
 * @param scope Which segments to take.
 * @param onProgress Told after each piece of work.
 * @returns The size of the log before and after.
 * @throws {CorruptionError} If a segment is not sound: it stays as it is, and
 * the others have been compacted.
 * @throws {WritesRefusedError} If a failure made it unsafe to write.
 */
export function compact(
  context: CompactionContext,
  scope: CompactionScope,
  onProgress: CompactionProgress = () => {},
): CompactionReport {
  const { control } = context;
  if (control.refusesWrites) throw new WritesRefusedError();
  const bytesBefore = totalBytes(control.segments.list());
  if (scope === "all") sealActive(context);
  using output = new Output(context);
  // Segments that come to be meanwhile are for the next compaction.
  const known = new Set(control.segments.list().map((segment) => segment.id));
  let left = totalBytes(candidates(control, scope, known));
  let done = 0;
  let corruption: CorruptionError | undefined;
  for (;;) {
    const [next] = candidates(control, scope, known);
    if (next === undefined || control.stopsCompaction) break;
    known.delete(next.id);
    left = Math.max(left, next.sizeBytes);
    const base = done;
    try {
      compactSegment(context, next, output, (bytes) => {
        onProgress(base + bytes, base + left);
      });
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
      corruption ??= error;
    }
    done += next.sizeBytes;
    left -= next.sizeBytes;
  }
  writeHints(context);
  if (corruption !== undefined) throw corruption;
  return { bytesBefore, bytesAfter: totalBytes(control.segments.list()) };
}

/** The sealed segments that should have a hint file and have none. */
export function unhinted(control: Control): SegmentState[] {
  return control.segments.list().filter(({ flags }) =>
    (flags & (SEALED | DAMAGED | HINTED)) === SEALED
  );
}

function writeHints(context: CompactionContext): void {
  const { control, directory } = context;
  const segments = unhinted(control);
  // An opening takes a segment with a hint file for durable.
  if (segments.length > 0) syncLog(context);
  for (const { id } of segments) {
    if (control.stopsCompaction) return;
    const flag = writeHint(directory, id) ? HINTED : DAMAGED;
    control.locked(() => control.segments.setFlags(id, flag));
  }
}

/**
 * The segments worth compacting in the order to take them: the oldest first
 * where all are wanted, so that tombstones find nothing left to hide, else the
 * one with the most dead bytes first.
 *
 * @param control The store's shared state.
 * @param scope Which ones count.
 * @param among Only segments with these file ids; all by default.
 */
export function candidates(
  control: Control,
  scope: CompactionScope,
  among?: ReadonlySet<number>,
): SegmentState[] {
  const segments = control.segments.list();
  const oldestDead = oldestDeadRecord(segments);
  const gain = (segment: SegmentState) =>
    segment.deadBytes +
    (segment.minSequence < oldestDead ? segment.tombstoneBytes : 0);
  return segments.filter((segment) =>
    scope !== "hints" &&
    (segment.flags & (SEALED | DAMAGED)) === SEALED && gain(segment) > 0 &&
    (among === undefined || among.has(segment.id)) &&
    (scope === "all" || gain(segment) * 2 >= segment.sizeBytes)
  ).sort((a, b) =>
    scope === "all" ? a.minSequence - b.minSequence : gain(b) - gain(a)
  );
}

/**
 * The smallest sequence number that a dead record may have, leaving one
 * segment out. A tombstone older than that has nothing left to hide.
 */
function oldestDeadRecord(
  segments: readonly SegmentState[],
  except?: number,
): number {
  let oldest = Infinity;
  for (const segment of segments) {
    if (segment.id === except || segment.deadRecords === 0) continue;
    oldest = Math.min(oldest, segment.minSequence);
  }
  return oldest;
}

function compactSegment(
  context: CompactionContext,
  segment: SegmentState,
  output: Output,
  onProgress: (doneBytes: number) => void,
): void {
  const { control, index, directory } = context;
  const path = segmentPath(directory, segment.id);
  const current = emptyPointer();
  // What a tombstone of this segment hides was dead before it was written, so
  // records that die from here on make no difference.
  const oldestDead = oldestDeadRecord(control.segments.list(), segment.id);
  const visit = (
    header: RecordHeader,
    offset: number,
    record: Uint8Array,
    sound: boolean,
  ) => {
    const key = record.subarray(
      RECORD_HEADER_BYTES,
      RECORD_HEADER_BYTES + header.keyLength,
    );
    const known = index.get(key, current);
    if (header.tombstone && sound) {
      // A newer record of the key hides the older ones as well.
      if (!known && header.sequence > oldestDead) {
        output.addTombstone(record, header.sequence);
      }
    } else if (
      sound && known && current.segment === segment.id &&
      current.offset === offset
    ) output.addValue(key, record, current);
    onProgress(offset + record.length);
  };
  const scan = scanSegment(path, segment.id, visit);
  if (scan.damage.length > 0 || scan.tailOffset < scan.sizeBytes) {
    output.flush();
    control.locked(() => control.segments.setFlags(segment.id, DAMAGED));
    const { offset, reason } = scan.damage[0] ??
      {
        offset: scan.tailOffset,
        reason: "sealed segment ends in a torn record",
      };
    throw new CorruptionError(path, offset, reason);
  }
  output.flush();
  output.sync();
  syncLog(context);
  removeSegment(context, segment.id);
}

/**
 * Makes everything appended so far durable. What has overwritten or removed
 * the records of a segment must be on disk before the segment goes: a power
 * failure would take both the old value and the new one.
 */
function syncLog({ control, directory }: CompactionContext): void {
  const { sealed, active } = control.unsyncedSegments();
  for (const id of active === 0 ? sealed : [...sealed, active]) {
    using file = Deno.openSync(segmentPath(directory, id));
    orRefuseWrites(control, () => file.syncDataSync());
  }
  syncDirectory(directory);
  control.markSynced(sealed);
}

/**
 * Does what must not be tried again if it fails: after a failed sync the
 * kernel may have dropped the pages, and a second one would say that all is
 * well.
 */
function orRefuseWrites(control: Control, sync: () => void): void {
  try {
    sync();
  } catch (error) {
    control.refuseWrites();
    throw error;
  }
}

/** Takes a segment that holds nothing live out of the store. */
function removeSegment(context: CompactionContext, id: number): void {
  const { control, directory } = context;
  using names = openDirectory(directory);
  removeSnapshot(directory);
  removeHint(directory, id);
  // A reader that has looked the old pointer up and not opened the file yet
  // finds it gone, looks up again, and gets the new pointer.
  Deno.removeSync(segmentPath(directory, id));
  control.locked(() => control.dropSegment(id));
  // A tombstone that hid records of this segment may go from here on, so the
  // file must be gone before it counts as gone, and stay so.
  orRefuseWrites(control, () => names?.syncSync());
}

function sealActive(context: CompactionContext): void {
  const { control, directory } = context;
  control.locked(() => {
    if (control.activeSegment === 0) return;
    const active = control.segments.get(control.activeSegment);
    if (active.deadBytes + active.tombstoneBytes === 0) return;
    const id = control.nextFileId();
    createSegment(directory, id).close();
    control.segments.add(id, SEGMENT_HEADER_BYTES);
    control.activate(id);
  });
}

/** The segment that live records are copied to. */
class Output {
  readonly #context: CompactionContext;
  #file: Deno.FsFile | undefined;
  #id = 0;
  #sizeBytes = 0;
  readonly #buffer = new Uint8Array(GATHER_BYTES);
  #gathered = 0;
  readonly #moves: { key: Uint8Array; from: LogPointer; to: LogPointer }[] = [];
  #tombstoneBytes = 0;
  #minSequence = Infinity;

  constructor(context: CompactionContext) {
    this.#context = context;
  }

  addValue(key: Uint8Array, record: Uint8Array, from: LogPointer): void {
    const offset = this.#add(record, from.sequence);
    this.#moves.push({
      key: key.slice(),
      from: { ...from },
      to: { ...from, segment: this.#id, offset },
    });
  }

  addTombstone(record: Uint8Array, sequence: number): void {
    this.#add(record, sequence);
    this.#tombstoneBytes += record.length;
  }

  /** Returns where in the segment the record will be. */
  #add(record: Uint8Array, sequence: number): number {
    const at = () => this.#sizeBytes + this.#gathered;
    const full = at() + record.length > this.#context.segmentBytes;
    if (this.#file === undefined || full && at() > SEGMENT_HEADER_BYTES) {
      this.flush();
      this.#begin();
    } else if (this.#gathered + record.length > GATHER_BYTES) {
      this.flush();
    }
    const offset = at();
    this.#minSequence = Math.min(this.#minSequence, sequence);
    if (record.length > GATHER_BYTES) {
      // Nothing is gathered before it; it goes to the file as it is.
      this.#write(record);
    } else {
      this.#buffer.set(record, this.#gathered);
      this.#gathered += record.length;
    }
    return offset;
  }

  /** Writes what is gathered, and moves the keys over. */
  flush(): void {
    if (this.#file === undefined) return;
    if (this.#gathered > 0) {
      this.#write(this.#buffer.subarray(0, this.#gathered));
      this.#gathered = 0;
    }
    const { control, index } = this.#context;
    control.locked(() => {
      control.segments.setSize(this.#id, this.#sizeBytes);
      control.segments.lowerMinSequence(this.#id, this.#minSequence);
      if (this.#tombstoneBytes > 0) {
        control.segments.addTombstones(this.#id, this.#tombstoneBytes);
      }
      this.#tombstoneBytes = 0;
    });
    let failure: unknown;
    for (let at = 0; at < this.#moves.length; at += MOVES_PER_LOCK) {
      control.locked(() => {
        for (
          const { key, from, to } of this.#moves.slice(at, at + MOVES_PER_LOCK)
        ) {
          let moved = false;
          try {
            moved = failure === undefined && index.move(key, from, to);
          } catch (error) {
            failure = error;
          }
          // A copy whose key was overwritten or removed since it was looked
          // up is dead on arrival, and tombstones must know of it.
          const dead = moved ? from : to;
          control.segments.addDead(dead.segment, dead.length);
        }
      });
    }
    this.#moves.length = 0;
    if (failure !== undefined) throw failure;
  }

  sync(): void {
    orRefuseWrites(
      this.#context.control,
      () => this.#file?.syncDataSync(),
    );
  }

  [Symbol.dispose](): void {
    this.#file?.close();
    this.#file = undefined;
  }

  #begin(): void {
    const { control, directory } = this.#context;
    this.sync();
    this[Symbol.dispose]();
    const id = control.nextFileId();
    this.#file = createSegment(directory, id);
    syncDirectory(directory);
    control.locked(() => control.segments.add(id, SEGMENT_HEADER_BYTES));
    this.#id = id;
    this.#sizeBytes = SEGMENT_HEADER_BYTES;
    this.#minSequence = Infinity;
  }

  #write(bytes: Uint8Array): void {
    try {
      writeAll(this.#file!, bytes);
    } catch (error) {
      // Whole copies may stay, they equal their originals; a part may not.
      this.#file!.truncateSync(this.#sizeBytes);
      throw error;
    }
    this.#sizeBytes += bytes.length;
  }
}

function totalBytes(segments: readonly SegmentState[]): number {
  return segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
}
