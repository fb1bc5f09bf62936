/**
 * A keyed hash for hash tables.
 *
 * @module
 */

/**
 * HalfSipHash-1-3 (Aumasson and Bernstein 2012), with which the Linux kernel
 * keys its hash tables on 32-bit machines: who does not know the key cannot
 * choose inputs that collide.
 *
 * @param words Where the input is, in 32-bit words. If its length is no
 * multiple of four bytes, the last bytes are the upper ones of their word.
 * @param at The first of its words.
 * @param lengthBytes Its length, in bytes.
 * @param key0 The first word of the key.
 * @param key1 The second word of the key.
 * @returns The hash, 32 bits with a sign: other numbers are slower to pass on.
 */
export function halfSipHash(
  words: Uint32Array,
  at: number,
  lengthBytes: number,
  key0: number,
  key1: number,
): number {
  let v0 = key0;
  let v1 = key1;
  let v2 = key0 ^ 0x6c796765;
  let v3 = key1 ^ 0x74656462;
  const end = at + (lengthBytes >>> 2);
  for (let i = at; i <= end; i++) {
    let word = 0;
    if (i < end) word = words[i] | 0;
    else {
      if ((lengthBytes & 3) !== 0) word = words[i] >>> 8;
      word |= lengthBytes << 24;
    }
    v3 ^= word;
    v0 = v0 + v1 | 0;
    v1 = (v1 << 5 | v1 >>> 27) ^ v0;
    v0 = v0 << 16 | v0 >>> 16;
    v2 = v2 + v3 | 0;
    v3 = (v3 << 8 | v3 >>> 24) ^ v2;
    v0 = v0 + v3 | 0;
    v3 = (v3 << 7 | v3 >>> 25) ^ v0;
    v2 = v2 + v1 | 0;
    v1 = (v1 << 13 | v1 >>> 19) ^ v2;
    v2 = v2 << 16 | v2 >>> 16;
    v0 ^= word;
  }
  v2 ^= 0xff;
  for (let round = 0; round < 3; round++) {
    // The same round; a function of four results would cost more than it does.
    v0 = v0 + v1 | 0;
    v1 = (v1 << 5 | v1 >>> 27) ^ v0;
    v0 = v0 << 16 | v0 >>> 16;
    v2 = v2 + v3 | 0;
    v3 = (v3 << 8 | v3 >>> 24) ^ v2;
    v0 = v0 + v3 | 0;
    v3 = (v3 << 7 | v3 >>> 25) ^ v0;
    v2 = v2 + v1 | 0;
    v1 = (v1 << 13 | v1 >>> 19) ^ v2;
    v2 = v2 << 16 | v2 >>> 16;
  }
  return v1 ^ v3;
}
