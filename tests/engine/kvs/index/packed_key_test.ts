import { assertEquals } from "@std/assert";
import { halfSipHash } from "../../../../engine/kvs/index/packed_key.ts";

/**
 * Of the bytes 0, 1, 2 and so on with the key 0 to 7, as `lib/siphash_kunit.c`
 * of the Linux kernel has them, by length.
 */
const VECTORS: Record<number, number> = {
  0: 0x5814c896,
  4: 0x7e059ea6,
  8: 0x577999b1,
  12: 0x6b28096c,
  16: 0x8b31d501,
  20: 0x911bb605,
  24: 0x57150ad7,
  28: 0x0a4100d0,
  32: 0xbc6dda8d,
  36: 0x7c46fb7f,
  40: 0x05327eb2,
  44: 0x11795ab1,
  48: 0x007783eb,
  52: 0xc368dda6,
};

/** Words of the bytes 0, 1, 2 and so on. */
function ascending(littleEndian: boolean): Uint32Array {
  const view = new DataView(new ArrayBuffer(64));
  for (let i = 0; i < 64; i++) view.setUint8(i, i);
  return Uint32Array.from(
    { length: 16 },
    (_, i) => view.getUint32(i * 4, littleEndian),
  );
}

Deno.test("halfSipHash() gives the hashes that are published", () => {
  const words = ascending(true);
  for (const [length, expected] of Object.entries(VECTORS)) {
    const hash = halfSipHash(words, 0, Number(length), 0x03020100, 0x07060504);
    assertEquals(hash >>> 0, expected, `length ${length}`);
  }
});

Deno.test("halfSipHash() depends on each byte, the length and the key", () => {
  const words = ascending(false);
  const hashes = new Set<number>();
  let count = 0;
  const add = (words: Uint32Array, length: number, key0 = 1, key1 = 2) => {
    hashes.add(halfSipHash(words, 3, length, key0, key1));
    count++;
  };
  for (let length = 0; length <= 40; length++) {
    const padded = words.slice();
    const last = 3 + (length >>> 2);
    padded[last] &= ~(0xffff_ffff >>> (length & 3) * 8);
    if ((length & 3) === 0) padded[last] = 0;
    add(padded, length);
    add(padded, length, 1, 3);
    add(padded, length, 3, 2);
    for (let byte = 0; byte < length; byte++) {
      const changed = padded.slice();
      changed[3 + (byte >>> 2)] ^= 0x80 >>> byte % 8 << (3 - byte % 4) * 8;
      add(changed, length);
    }
  }
  assertEquals(hashes.size, count);
});
