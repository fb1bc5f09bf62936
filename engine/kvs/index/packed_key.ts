/**
 * Keys as the index stores, compares and hashes them.
 *
 * A key is packed big-endian into words, padded with zeros: to compare words is
 * to compare bytes.
 *
 * @module
 */

import { HASH_KEY_0, HASH_KEY_1 } from "./layout.ts";

/** How many words are kept for short keys. */
const FIRST_WORDS = 64;

/**
 * A packed key to search for. A searcher owns one and packs key after key
 * into it, so that a search allocates nothing, and a key is packed and hashed once.
 */
export class PackedKey {
  /** Where the key is: in memory of its own, or in a node. */
  words: Uint32Array = new Uint32Array(FIRST_WORDS);
  /** The first of its words. */
  at = 0;
  lengthBytes = 0;
  /** 32 bits with a sign: the same in all instances of an index. */
  hash = 0;
  #own = this.words;
  readonly #index: Uint32Array;

  /** @param index The words of the index, which has the secret of its hashes. */
  constructor(index: Uint32Array) {
    this.#index = index;
  }

  /** Packs a key, whose bytes are not kept. */
  pack(key: Uint8Array): this {
    const length = key.length;
    const keyWords = (length + 3) >>> 2;
    if (keyWords > this.#own.length) this.#own = new Uint32Array(keyWords * 2);
    const words = this.#own;
    // Stored only where it is another, since to store a reference costs more.
    if (this.words !== words) this.words = words;
    this.at = 0;
    this.lengthBytes = length;
    const whole = length >>> 2;
    let at = 0;
    for (let i = 0; i < whole; i++, at += 4) {
      words[i] = key[at] << 24 | key[at + 1] << 16 | key[at + 2] << 8 |
        key[at + 3];
    }
    if (at < length) {
      let last = 0;
      for (let shift = 24; at < length; at++, shift -= 8) {
        last |= key[at] << shift;
      }
      words[whole] = last;
    }
    this.hash = hashPacked(this.#index, words, 0, length);
    return this;
  }

  /** Takes a node's key where it is, for as long as the node stays. */
  refer(at: number, lengthBytes: number, hash: number): this {
    if (this.words !== this.#index) this.words = this.#index;
    this.at = at;
    this.lengthBytes = lengthBytes;
    this.hash = hash;
    return this;
  }
}

/** The hash of a packed key, with the secret of an index. */
export function hashPacked(
  index: Uint32Array,
  words: Uint32Array,
  at: number,
  lengthBytes: number,
): number {
  const secret0 = index[HASH_KEY_0] | 0;
  const secret1 = index[HASH_KEY_1] | 0;
  return halfSipHash(words, at, lengthBytes, secret0, secret1);
}

/**
 * HalfSipHash-1-3 (Aumasson and Bernstein 2012), with which the Linux kernel
 * keys its hash tables on 32-bit machines: a client that does not know the
 * secret cannot choose keys that collide.
 *
 * @param words Where the key is, packed.
 * @param at The first of its words.
 * @param lengthBytes Its length, in bytes.
 * @param secret0 The first word of the secret.
 * @param secret1 The second word of the secret.
 * @returns The hash, 32 bits with a sign: other numbers are slower to pass on.
 */
export function halfSipHash(
  words: Uint32Array,
  at: number,
  lengthBytes: number,
  secret0: number,
  secret1: number,
): number {
  let v0 = secret0;
  let v1 = secret1;
  let v2 = secret0 ^ 0x6c796765;
  let v3 = secret1 ^ 0x74656462;
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
