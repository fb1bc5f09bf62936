import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { HintEntries } from "../../../../engine/kvs/log/hint_entries.ts";
import {
  decodeRecordHeader,
  encodeRecord,
  getUint32,
  type RecordHeader,
  recordLength,
} from "../../../../engine/kvs/log/record.ts";

/** The keys in the order in which the entries of their records are written. */
function sorted(keys: readonly Uint8Array[]): Uint8Array[] {
  const records = keys.map((key, i) => {
    const record = new Uint8Array(recordLength(key.length, 0));
    encodeRecord(record, 0, i + 1, key, undefined);
    return record;
  });
  const entries = new HintEntries(
    records.reduce((sum, { length }) => sum + length, 0),
  );
  const header = {} as RecordHeader;
  records.forEach((record, i) => {
    decodeRecordHeader(record, 0, header);
    entries.add(header, i, record);
  });
  assertEquals(entries.count, keys.length);
  const bytes = new Uint8Array(entries.sizeBytes);
  entries.writeSorted(bytes, 0);
  const found: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 20 + getUint32(bytes, at + 16);
    const key = bytes.slice(at + 20, end);
    assertEquals(key, keys[getUint32(bytes, at)]);
    found.push(key);
    at = end;
  }
  return found;
}

function byBytes(a: Uint8Array, b: Uint8Array): number {
  const at = a.findIndex((byte, i) => byte !== b[i]);
  return at < 0 || at >= b.length ? a.length - b.length : a[at] - b[at];
}

Deno.test("HintEntries.writeSorted() orders keys by their bytes", () => {
  // Few different bytes, so that keys share prefixes, and end in zeros.
  const key = fc.array(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), {
    maxLength: 12,
  }).map((bytes) => Uint8Array.from(bytes));
  fc.assert(fc.property(fc.array(key, { maxLength: 200 }), (keys) => {
    assertEquals(sorted(keys), keys.toSorted(byBytes));
  }));
});

Deno.test("HintEntries.writeSorted() orders keys that differ in length alone", () => {
  const keys = Array.from(
    { length: 2_000 },
    (_, i) => new Uint8Array(i * 7 % 2_000),
  );
  assertEquals(sorted(keys), keys.toSorted(byBytes));
});

Deno.test("HintEntries.writeSorted() takes one key that was written again and again", () => {
  const keys = Array.from({ length: 10_000 }, () => new Uint8Array(30).fill(7));
  assertEquals(sorted(keys).length, 10_000);
});
