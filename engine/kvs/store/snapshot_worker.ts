/**
 * The entry of the Worker that holds a snapshot of a store.
 *
 * @module
 */

import type { ScanPage, ScanRange } from "../../engine.ts";
import { checkRoomForFiles } from "../../start_worker.ts";
import { workerScope } from "../../worker_scope.ts";
import { Log } from "../log/log.ts";
import { HeldSegments } from "../log/held_segments.ts";
import { RecordCache } from "./record_cache.ts";
import { loadLog } from "./recovery.ts";
import { type PackedPage, packPage, scanIndex } from "./pages.ts";
import { CorruptionError } from "../../errors.ts";
import { type ScanResult, segmentPath } from "../log/segment.ts";

/** What the log of a store is at one moment. */
export interface LogMoment {
  /** The segments, in order of file id. */
  readonly segments: readonly {
    readonly id: number;
    /** How much of it there is, in bytes. */
    readonly sizeBytes: number;
    /** Whether it is known not to be sound. */
    readonly isDamaged: boolean;
  }[];
  /** The number of keys. */
  readonly keys: number;
}

/** What the Worker is asked to do; it answers in order. */
export type SnapshotOrder =
  | {
    readonly kind: "load";
    /** The data directory. */
    readonly directory: string;
    /** The memory that the index may use, in bytes. */
    readonly indexBytes: number;
    readonly moment: LogMoment;
  }
  | { readonly kind: "scan"; readonly range: ScanRange };

/** What it answers. */
export type SnapshotReply =
  | { readonly kind: "loaded" }
  /** A compaction has removed a segment; another moment may be there still. */
  | { readonly kind: "gone" }
  | { readonly kind: "page"; readonly page: PackedPage }
  | { readonly kind: "failed"; readonly error: Error };

const worker = workerScope<SnapshotOrder, SnapshotReply>();

let scan: ((range: ScanRange) => ScanPage) | undefined;

worker.onmessage = ({ data }) => {
  try {
    if (data.kind === "load") {
      worker.postMessage({ kind: load(data) ? "loaded" : "gone" });
    } else {
      const page = packPage(scan!(data.range));
      const transfer = [page.lengths.buffer, page.bytes.buffer];
      worker.postMessage({ kind: "page", page }, transfer);
    }
  } catch (error) {
    worker.postMessage({
      kind: "failed",
      error: error instanceof Error ? error : new Error(String(error)),
    });
  }
};

/** Loads the index; it has to be what the store's own one was. */
function load(
  { directory, indexBytes, moment }: Extract<SnapshotOrder, { kind: "load" }>,
): boolean {
  const { segments, keys } = moment;
  // Nothing of the store's own is to fail for a snapshot.
  checkRoomForFiles(segments.length, directory);
  const held = HeldSegments.tryOpenThese(directory, segments);
  if (held === undefined) return false;
  const { index, scans } = loadLog(
    Log.create(directory),
    held.list,
    indexBytes,
  );
  for (const { id, isDamaged } of segments) {
    const found = scans.get(id);
    // What is damaged already is left out of the store's own index as well.
    if (found !== undefined && !isDamaged) checkSound(directory, id, found);
  }
  // To leave something out in silence is the worst that could happen here.
  if (index.size !== keys) {
    throw new Error(
      `Snapshot has ${index.size} keys instead of ${keys}; see 'kvs check'`,
    );
  }
  const cache = new RecordCache(
    directory,
    0,
    held,
    (key) => index.hashOf(key),
  );
  scan = (range) => scanIndex(index, range, cache);
  return true;
}

function checkSound(
  directory: string,
  id: number,
  { tailOffset, sizeBytes, damage }: ScanResult,
): void {
  for (const { path, offset, reason } of damage) {
    throw new CorruptionError(path, offset, reason);
  }
  if (tailOffset === sizeBytes) return;
  throw new CorruptionError(
    segmentPath(directory, id),
    tailOffset,
    "segment ends in a torn record",
  );
}
