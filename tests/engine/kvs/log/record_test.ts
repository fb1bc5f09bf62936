import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { crc32 } from "node:zlib";
import {
  decodeRecordHeader,
  encodeRecord,
  getUint32,
  isRecordSound,
  MAX_SEQUENCE,
  putUint32,
  RECORD_HEADER_BYTES,
  type RecordHeader,
  recordLength,
} from "../../../../engine/kvs/log/record.ts";
import { bytes } from "../_helpers.ts";

function encoded(
  sequence: number,
  key: Uint8Array,
  value: Uint8Array | undefined,
): Uint8Array {
  const record = new Uint8Array(recordLength(key.length, value?.length ?? 0));
  assertEquals(encodeRecord(record, 0, sequence, key, value), record.length);
  return record;
}

Deno.test("encodeRecord() lays a value out as documented", () => {
  const record = encoded(0x0605_0403_0201, bytes("key"), bytes("value"));
  assertEquals(
    [...record.subarray(4)],
    [
      ...[1, 2, 3, 4, 5, 6],
      ...[0, 0],
      ...[3, 0, 0, 0],
      ...[5, 0, 0, 0],
      ...bytes("key"),
      ...bytes("value"),
    ],
  );
  const checksum = new DataView(record.buffer).getUint32(0, true);
  assertEquals(checksum, crc32(record.subarray(4)));
});

Deno.test("encodeRecord() marks a tombstone, which is no empty value", () => {
  const tombstone = encoded(1, bytes("k"), undefined);
  const empty = encoded(1, bytes("k"), new Uint8Array(0));
  assertEquals(tombstone.length, empty.length);
  assertEquals([tombstone[10], empty[10]], [1, 0]);
});

Deno.test("encodeRecord() writes where it is told and nowhere else", () => {
  const into = new Uint8Array(60).fill(9);
  const end = encodeRecord(into, 7, 1, bytes("k"), bytes("v"));
  assertEquals(end, 7 + recordLength(1, 1));
  assertEquals([...into.subarray(0, 7)], Array(7).fill(9));
  assertEquals([...into.subarray(end)], Array(60 - end).fill(9));
  assertEquals(isRecordSound(into.subarray(7, end)), true);
});

Deno.test("decodeRecordHeader() reads back what encodeRecord() wrote", () => {
  const sequence = fc.oneof(
    fc.integer({ min: 1, max: MAX_SEQUENCE }),
    fc.constantFrom(1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 47, MAX_SEQUENCE),
  );
  fc.assert(
    fc.property(
      sequence,
      fc.uint8Array({ maxLength: 300 }),
      fc.option(fc.uint8Array({ maxLength: 300 }), { nil: undefined }),
      fc.nat(20),
      (sequence, key, value, at) => {
        const length = recordLength(key.length, value?.length ?? 0);
        const into = new Uint8Array(at + length);
        encodeRecord(into, at, sequence, key, value);
        const header = {} as RecordHeader;
        assertEquals(decodeRecordHeader(into, at, header), length);
        assertEquals(header, {
          sequence,
          tombstone: value === undefined,
          keyLength: key.length,
          valueLength: value?.length ?? 0,
        });
        const keyEnd = at + RECORD_HEADER_BYTES + key.length;
        assertEquals(into.slice(at + RECORD_HEADER_BYTES, keyEnd), key);
        assertEquals(into.slice(keyEnd), value ?? new Uint8Array(0));
        assertEquals(isRecordSound(into.subarray(at)), true);
      },
    ),
  );
});

Deno.test("isRecordSound() notices every flipped bit", () => {
  const record = encoded(2 ** 40 + 5, bytes("some key"), bytes("some value"));
  for (let bit = 0; bit < record.length * 8; bit++) {
    record[bit >>> 3] ^= 1 << (bit & 7);
    assertEquals(isRecordSound(record), false, `bit ${bit}`);
    record[bit >>> 3] ^= 1 << (bit & 7);
  }
  assertEquals(isRecordSound(record), true);
});

Deno.test("isRecordSound() takes no run of zeros for a record", () => {
  for (let length = RECORD_HEADER_BYTES; length < 100; length++) {
    assertEquals(isRecordSound(new Uint8Array(length)), false);
  }
});

Deno.test("getUint32() reads what putUint32() wrote", () => {
  const into = new Uint8Array(6);
  for (const value of [0, 1, 255, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) {
    putUint32(into, 1, value);
    assertEquals(getUint32(into, 1), value);
    assertEquals([into[0], into[5]], [0, 0]);
  }
  putUint32(into, 1, 0x0403_0201);
  assertEquals([...into], [0, 1, 2, 3, 4, 0]);
});
