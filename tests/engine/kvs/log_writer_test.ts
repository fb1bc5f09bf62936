import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertThrows,
} from "@std/assert";
import type { Write, WriteOutcome } from "../../../engine/engine.ts";
import { IndexFullError } from "../../../engine/kvs/arena.ts";
import { Control } from "../../../engine/kvs/control.ts";
import { emptyPointer } from "../../../engine/kvs/log_pointer.ts";
import {
  LogWriter,
  WritesRefusedError,
} from "../../../engine/kvs/log_writer.ts";
import { RECORD_HEADER_BYTES } from "../../../engine/kvs/record.ts";
import {
  listSegments,
  readRecord,
  scanSegment,
  SEGMENT_HEADER_BYTES,
  segmentPath,
  valueOf,
} from "../../../engine/kvs/segment.ts";
import { SEALED, UNSYNCED } from "../../../engine/kvs/segment_table.ts";
import { SkipMap } from "../../../engine/kvs/skip_map.ts";
import { FaultyDisk, InjectedFault } from "./_fault_injection.ts";
import { bytes, TempDirectory, text } from "./_helpers.ts";

/** A writer, and all that it writes to. */
class Bench implements Disposable {
  readonly #temporary = new TempDirectory();
  readonly directory = this.#temporary.path;
  readonly control = Control.create();
  readonly index: SkipMap;
  readonly #segmentBytes: number;
  readonly #writers: LogWriter[] = [];
  readonly writer: LogWriter;

  constructor(segmentBytes = 2 ** 20, indexBytes = 2 ** 20) {
    this.index = SkipMap.create(indexBytes);
    this.#segmentBytes = segmentBytes;
    this.writer = this.newWriter();
  }

  newWriter(): LogWriter {
    const { directory, control } = this;
    const index = SkipMap.attach(this.index.buffer);
    const writer = new LogWriter(
      directory,
      control,
      index,
      this.#segmentBytes,
    );
    this.#writers.push(writer);
    return writer;
  }

  /** Writes a batch; a write without a value is a removal. */
  write(...batch: [key: string, value?: string][]): WriteOutcome[] {
    return this.writer.write(batch.map(([key, value]) => write(key, value)));
  }

  /** The value that the index leads to. */
  get(key: string): string | undefined {
    const pointer = emptyPointer();
    if (!this.index.get(bytes(key), pointer)) return undefined;
    const record = new Uint8Array(pointer.length);
    const path = segmentPath(this.directory, pointer.segment);
    readRecord(path, pointer.offset, record);
    assertEquals(record[4], pointer.sequence & 0xff);
    return text(valueOf(record, bytes(key).length));
  }

  /** All records of the log, as `key=value` or `key` for a tombstone. */
  log(): string[][] {
    return listSegments(this.directory).map((id) => {
      const records: string[] = [];
      const path = segmentPath(this.directory, id);
      const scan = scanSegment(path, id, (header, _, record) => {
        const keyEnd = RECORD_HEADER_BYTES + header.keyLength;
        const key = text(record.subarray(RECORD_HEADER_BYTES, keyEnd));
        const value = text(record.subarray(keyEnd));
        records.push(
          `${header.sequence} ${header.tombstone ? key : `${key}=${value}`}`,
        );
      });
      assertEquals(scan.damage, []);
      assertEquals(scan.tailOffset, scan.sizeBytes);
      assertEquals(this.control.segments.get(id).sizeBytes, scan.sizeBytes);
      return records;
    });
  }

  [Symbol.dispose](): void {
    this.#writers.forEach((writer) => writer.close());
    this.#temporary[Symbol.dispose]();
  }
}

function write(key: string, value?: string): Write {
  return {
    key: bytes(key),
    value: value === undefined ? undefined : bytes(value),
  };
}

Deno.test("LogWriter.write() appends in order and leads the index there", () => {
  using bench = new Bench();
  assertEquals(bench.write(["a", "1"], ["b", "2"]), [true, true]);
  assertEquals(bench.write(["a", "3"]), [true]);
  assertEquals(bench.log(), [["1 a=1", "2 b=2", "3 a=3"]]);
  assertEquals(bench.get("a"), "3");
  assertEquals(bench.get("b"), "2");
  assertEquals(bench.index.size, 2);
});

Deno.test("LogWriter.write() does not keep the arrays it is given", () => {
  using bench = new Bench();
  const { key, value } = write("key", "value");
  bench.writer.write([{ key, value }]);
  key.fill(0);
  value!.fill(0);
  assertEquals(bench.get("key"), "value");
});

Deno.test("LogWriter.write() applies a batch to one key in order", () => {
  using bench = new Bench();
  assertEquals(
    bench.write(["k"], ["k", "1"], ["k", "2"], ["k"], ["k"], ["k", "3"]),
    [false, true, true, true, false, true],
  );
  assertEquals(bench.get("k"), "3");
  assertEquals(bench.log(), [["1 k=1", "2 k=2", "3 k", "4 k=3"]]);
  assertEquals(bench.write(["k"]), [true]);
  assertEquals(bench.get("k"), undefined);
  assertEquals(bench.index.size, 0);
});

Deno.test("LogWriter.write() writes nothing for the removal of a missing key", () => {
  using bench = new Bench();
  assertEquals(bench.write(["k"]), [false]);
  assertEquals(bench.log(), []);
  assertEquals(bench.writer.ticket, 0);
});

Deno.test("LogWriter.write() takes empty keys and values, and an empty batch", () => {
  using bench = new Bench();
  assertEquals(bench.write(), []);
  assertEquals(bench.write(["", ""], ["x", ""]), [true, true]);
  assertEquals(bench.get(""), "");
  assertEquals(bench.get("x"), "");
  assertEquals(bench.write([""]), [true]);
  assertEquals(bench.get(""), undefined);
});

Deno.test("LogWriter.write() counts what it has made worthless", () => {
  using bench = new Bench();
  bench.write(["k", "123"], ["other", "x"], ["k", "4"], ["k"]);
  const first = RECORD_HEADER_BYTES + 1 + 3;
  const second = RECORD_HEADER_BYTES + 1 + 1;
  assertEquals(bench.control.segments.get(1), {
    id: 1,
    sizeBytes: Deno.statSync(segmentPath(bench.directory, 1)).size,
    deadBytes: first + second,
    deadRecords: 2,
    tombstoneBytes: RECORD_HEADER_BYTES + 1,
    minSequence: 1,
    flags: UNSYNCED,
  });
});

Deno.test("LogWriter.write() seals a segment before it grows too large", () => {
  using bench = new Bench(4_096);
  for (let n = 0; n < 100; n++) bench.write([`${n}`, "x".repeat(500)]);
  const ids = listSegments(bench.directory);
  assert(ids.length > 10);
  for (const id of ids) {
    const { sizeBytes, flags } = bench.control.segments.get(id);
    assert(sizeBytes <= 4_096);
    assertEquals(flags, id === bench.control.activeSegment ? 2 : 3);
    // Another record of this size would not have fitted.
    if (flags & SEALED) assert(sizeBytes > 4_096 - 523);
  }
  for (let n = 0; n < 100; n++) assertEquals(bench.get(`${n}`)?.length, 500);
});

Deno.test("LogWriter.write() gives a record that is too large a segment of its own", () => {
  using bench = new Bench(4_096);
  const large = "x".repeat(3 * 2 ** 20);
  assertEquals(
    bench.write(["a", "1"], ["large", large], ["b", "2"]),
    [true, true, true],
  );
  assertEquals(bench.log().map((records) => records.length), [1, 1, 1]);
  assertEquals(bench.get("large"), large);
  assertEquals(bench.get("b"), "2");
});

Deno.test("LogWriter.write() writes a batch of many megabytes", () => {
  using bench = new Bench(2 ** 22, 2 ** 22);
  const batch = Array.from(
    { length: 6_000 },
    (_, n): [string, string] => [`${n}`, String(n).repeat(300)],
  );
  assert(bench.write(...batch).every((outcome) => outcome === true));
  for (const [key, value] of batch) assertEquals(bench.get(key), value);
  assertEquals(bench.log().flat().length, 6_000);
});

Deno.test("LogWriter.write() of two instances takes turns in one log", () => {
  using bench = new Bench(4_096);
  const other = bench.newWriter();
  for (let n = 0; n < 100; n++) {
    bench.write([`a${n}`, "x".repeat(100)]);
    other.write([write(`b${n}`, "y".repeat(100)), write(`a${n - 1}`)]);
  }
  assertEquals(bench.index.size, 101);
  for (let n = 0; n < 100; n++) assertEquals(bench.get(`b${n}`)?.length, 100);
  const sequences = bench.log().flat().map((record) => parseInt(record));
  assertEquals(sequences, Array.from({ length: 299 }, (_, i) => i + 1));
});

Deno.test("LogWriter.ticket tells the last append of this instance", () => {
  using bench = new Bench();
  const other = bench.newWriter();
  bench.write(["a", "1"], ["b", "2"]);
  assertEquals(bench.writer.ticket, 1);
  other.write([write("c", "3")]);
  assertEquals(other.ticket, 2);
  assertEquals(bench.writer.ticket, 1);
  assertEquals(bench.newWriter().ticket, 2);
});

Deno.test("LogWriter.write() fails only the writes that the index has no room for", () => {
  using bench = new Bench(2 ** 20, 2 ** 18);
  let count = 0;
  while (bench.write([`key ${count}`, "v"])[0] === true) count++;
  const log = bench.log();
  const [denied, overwritten, removed, deniedToo] = bench.write(
    ["new 1", "v"],
    ["key 1", "w"],
    ["key 2"],
    ["a much longer key than the one removed".repeat(5), "v"],
  );
  assertInstanceOf(denied, IndexFullError);
  assertEquals([overwritten, removed], [true, true]);
  assertInstanceOf(deniedToo, IndexFullError);
  assertEquals(bench.get("new 1"), undefined);
  assertEquals(bench.get("key 1"), "w");
  assertEquals(bench.get("key 2"), undefined);
  assertEquals(bench.index.size, count - 1);
  // Nor is there anything of them in the log.
  assertEquals(bench.log().flat().length, log.flat().length + 2);
  bench.write(...Array.from({ length: 200 }, (_, n): [string] => [`key ${n}`]));
  assertEquals(bench.write(["new 1", "v"]), [true]);
});

Deno.test("LogWriter.write() refuses a key that is too long, and no other", () => {
  using bench = new Bench();
  const outcomes = bench.writer.write([
    write("a", "1"),
    { key: new Uint8Array(2 ** 24 + 1), value: bytes("x") },
    write("b", "2"),
  ]);
  assertEquals(outcomes[0], true);
  assertInstanceOf(outcomes[1], RangeError);
  assertEquals(outcomes[2], true);
  assertEquals(bench.log().flat(), ["1 a=1", "2 b=2"]);
});

Deno.test("LogWriter.write() takes a failed append back whole", () => {
  using bench = new Bench();
  using disk = new FaultyDisk(bench.directory);
  bench.write(["a", "1"], ["gone", "x"], ["gone"]);
  const used = bench.index.usedBytes;
  const segment = bench.control.segments.get(1);
  disk.halfWrites = true;
  disk.failAll("writeSync");
  for (const batch of [[["a", "2"], ["b", "3"]], [["a"]]]) {
    const outcomes = bench.write(...batch as [string, string?][]);
    for (const outcome of outcomes) assertInstanceOf(outcome, InjectedFault);
  }
  disk.heal();
  assertEquals(bench.get("a"), "1");
  assertEquals(bench.get("b"), undefined);
  assertEquals(bench.index.usedBytes, used);
  assertEquals(bench.control.segments.get(1), segment);
  assertEquals(bench.log(), [["1 a=1", "2 gone=x", "3 gone"]]);
  // And then goes on where it was.
  assertEquals(bench.write(["a", "4"], ["b", "5"]), [true, true]);
  assertEquals(bench.log()[0].slice(3), ["4 a=4", "5 b=5"]);
});

Deno.test("LogWriter.write() keeps what was appended before the failure in one batch", () => {
  using bench = new Bench(4_096);
  using disk = new FaultyDisk(bench.directory);
  // The removal is an append of its own, and so is what follows it.
  bench.write(["a", "1"]);
  let writes = 0;
  disk.onStep = ({ call }) => {
    if (call === "writeSync" && ++writes === 3) throw new InjectedFault();
  };
  const [first, removed, last] = bench.write(["b", "2"], ["a"], ["c", "3"]);
  assertEquals([first, removed], [true, true]);
  assertInstanceOf(last, InjectedFault);
  assertEquals(bench.log(), [["1 a=1", "2 b=2", "3 a"]]);
  assertEquals(bench.write(["c", "4"]), [true]);
  assertEquals(bench.log(), [["1 a=1", "2 b=2", "3 a", "4 c=4"]]);
});

Deno.test("LogWriter.write() refuses to write behind an end it does not know", () => {
  using bench = new Bench();
  using disk = new FaultyDisk(bench.directory);
  bench.write(["a", "1"]);
  disk.halfWrites = true;
  disk.failAll("writeSync", "file.truncateSync");
  assertInstanceOf(bench.write(["b", "2"])[0], InjectedFault);
  disk.heal();
  for (const writer of [bench.writer, bench.newWriter()]) {
    const outcomes = writer.write([write("c", "3"), write("a")]);
    for (const outcome of outcomes) {
      assertInstanceOf(outcome, WritesRefusedError);
    }
  }
  assertEquals(bench.get("a"), "1");
  assertEquals(bench.index.size, 1);
});

Deno.test("LogWriter.write() goes on in the old segment where no new one can be made", () => {
  using bench = new Bench(4_096);
  using disk = new FaultyDisk(bench.directory);
  bench.write(["a", "x".repeat(4_000)]);
  for (const halfWrites of [false, true]) {
    for (const call of ["openSync", "writeSync"] as const) {
      disk.halfWrites = halfWrites;
      disk.failAll(call);
      assertInstanceOf(
        bench.write(["b", "y".repeat(100)])[0],
        InjectedFault,
      );
      disk.heal();
    }
  }
  assertEquals(listSegments(bench.directory), [1]);
  assertEquals(bench.write(["c", "z"]), [true]);
  assertEquals(bench.log().map((records) => records.length), [2]);
  assertEquals(bench.write(["b", "y".repeat(100)]), [true]);
  assertEquals(bench.log().map((records) => records.length), [2, 1]);
  const [id] = listSegments(bench.directory).slice(1);
  assertEquals(
    bench.control.segments.get(id).sizeBytes,
    SEGMENT_HEADER_BYTES + RECORD_HEADER_BYTES + 101,
  );
});

Deno.test("LogWriter.write() frees the lock whatever happens", () => {
  using bench = new Bench();
  using disk = new FaultyDisk(bench.directory);
  disk.failAll("openSync");
  bench.write(["a", "1"]);
  disk.heal();
  bench.control.locked(() => {});
  assertThrows(() =>
    bench.control.locked(() => {
      throw new Error("failed");
    })
  );
  assertEquals(bench.write(["a", "1"]), [true]);
});
