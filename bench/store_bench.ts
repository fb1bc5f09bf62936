/**
 * What the steps of a read and of a write cost in the kvs engine, and what the
 * whole costs: 100,000 keys in random order, values of 100 bytes, everything
 * in memory, no sync.
 *
 * @module
 */

import {
  emptyPointer,
  type LogPointer,
} from "../engine/kvs/index/log_pointer.ts";
import { encodeRecord, isRecordSound } from "../engine/kvs/log/record.ts";
import { RecordCache } from "../engine/kvs/store/record_cache.ts";
import { SegmentReaders } from "../engine/kvs/log/segment_readers.ts";
import { Keydir } from "../engine/kvs/index/keydir.ts";
import { KvStore } from "../engine/kvs/store/store.ts";
import { TextBytes } from "../engine/kvs/store/text_bytes.ts";
import { randomNumbers } from "./load/requests.ts";
import { DATA } from "./support/workload.ts";

/** Operations in each measured call: its milliseconds are their microseconds. */
const MANY = 1_000;

/** Writes that go to the store in one call. */
const BATCH = 16;

const SEGMENT_BYTES = 2 ** 30;

const encoder = new TextEncoder();
const directory = Deno.makeTempDirSync({ prefix: "kvs-bench-" });
addEventListener(
  "unload",
  () => Deno.removeSync(directory, { recursive: true }),
);
const store = KvStore.open(`${directory}/data`, {
  sync: "no",
  segmentBytes: SEGMENT_BYTES,
  // A compaction would be measured along with whatever it falls into.
  compactAtBytes: Infinity,
});
const keys = Array.from(
  { length: DATA.keys },
  (_, i) => encoder.encode(`key:${String(i).padStart(12, "0")}`),
);
const value = encoder.encode("v".repeat(DATA.valueBytes));
for (let i = 0; i < keys.length; i += MANY) {
  store.write(keys.slice(i, i + MANY).map((key) => ({ key, value })));
}
const random = randomNumbers(1);
const shuffled = Array.from(
  { length: 2 ** 18 },
  () => keys[random(keys.length)],
);
const names = shuffled.map((key) => new TextDecoder().decode(key));
const writes = shuffled.map((key) => ({ key, value }));

const index = Keydir.attach(store.share().index);
const files = new SegmentReaders(`${directory}/data`);
const cache = new RecordCache(
  `${directory}/data`,
  32 * 2 ** 20,
  files,
  (key) => index.hashOf(key),
);
const pointers: readonly LogPointer[] = shuffled.map((key) => {
  const pointer = emptyPointer();
  index.get(key, pointer);
  return pointer;
});
const ownIndex = Keydir.create(64 * 2 ** 20);
keys.forEach((key, i) => ownIndex.set(key, pointers[i]));
const hashes = shuffled.map((key) => index.hashOf(key));
/** Nobody writes to these keys while they are read. */
const VERSION = 0;
const record = cache.read(pointers[0], shuffled[0], hashes[0], VERSION).slice();
for (let i = 0; i < shuffled.length; i++) {
  cache.read(pointers[i], shuffled[i], hashes[i], VERSION);
}
const file = Deno.openSync(`${directory}/appended`, {
  create: true,
  append: true,
});

/** Measures an operation, many times over, each time with the next key. */
function bench(
  name: string,
  group: string,
  operation: (i: number) => unknown,
): void {
  let next = 0;
  Deno.bench(`${name} × ${MANY}`, { group }, () => {
    for (let i = 0; i < MANY; i++) operation(next++ & shuffled.length - 1);
  });
}

const pointer = emptyPointer();
const textBytes = new TextBytes();
bench("Keydir.get()", "read", (i) => index.get(shuffled[i], pointer));
bench(
  "RecordCache.read()",
  "read",
  (i) => cache.read(pointers[i], shuffled[i], hashes[i], VERSION),
);
bench("isRecordSound()", "read", () => isRecordSound(record));
bench(
  "RecordCache.readCurrent(), in the place of both",
  "read",
  (i) => cache.readCurrent(shuffled[i], hashes[i], VERSION),
);
bench(
  "KvStore.viewBytes()",
  "read",
  (i) => store.viewBytes(shuffled[i]),
);
bench("KvStore.getBytes()", "read", (i) => store.getBytes(shuffled[i]));
bench("TextEncoder.encode()", "read", (i) => encoder.encode(names[i]));
bench("TextBytes.encode()", "read", (i) => textBytes.encode(names[i]));
bench("KvStore.get(), text", "read", (i) => store.get(names[i]));

const room = new Uint8Array(4096);
const records = new Uint8Array(BATCH * record.length);
bench(
  "encodeRecord()",
  "write",
  (i) => encodeRecord(room, 0, i, shuffled[i], value),
);
bench("FsFile.writeSync() of a record", "write", () => file.writeSync(record));
bench(
  `FsFile.writeSync() of ${BATCH} records`,
  "write",
  () => file.writeSync(records),
);
bench(
  "Keydir.set() of a key that is there",
  "write",
  (i) => ownIndex.set(shuffled[i], pointers[i]),
);
bench("KvStore.write() of one", "write", (i) => store.write([writes[i]]));
bench(
  `KvStore.write() of ${BATCH}`,
  "write",
  (i) => store.write(writes.slice(i, i + BATCH)),
);
