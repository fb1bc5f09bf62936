/**
 * The skip list under the index: its nodes in shared memory, and the ways to
 * find one.
 *
 * @module
 */

import { IndexFullError } from "../../errors.ts";
import { type Arena, NODE, USER_WORDS } from "./arena.ts";
import { halfSipHash } from "./half_sip_hash.ts";

// Words of the arena's header that belong to the list.
const HEAD = USER_WORDS;
/** The number of keys. */
export const SIZE = USER_WORDS + 1;
/** The number of levels in use. */
export const HEIGHT = USER_WORDS + 2;
/** The state of the generator of heights, never zero. */
export const RANDOM = USER_WORDS + 3;
/** The key of this list's hashes, in two words. */
export const HASH_KEY_0 = USER_WORDS + 5;
export const HASH_KEY_1 = USER_WORDS + 7;

/** With one node in four reaching the next level, enough for 4^14 keys. */
const MAX_HEIGHT = 14;

// A node is named by its middle: links lie before it, the rest after it, so
// that neither needs the other's length to be found.
//   node - 1 - level   the next node at that level
//   node + 0           the pointer record
//   node + 1           key length in bytes * 16 + height
//   node + 2 ...       the key, packed big-endian, padded with zeros
/** From a node to the offset of its pointer record. */
export const POINTER = 0;
const META = 1;
const KEY = 2;
const HEIGHT_BITS = 4;

/** The longest key a node's meta word has room for, in bytes. */
export const MAX_KEY_BYTES = 2 ** 24;

/**
 * Nodes in an {@linkcode Arena}, each with a key, linked in key order (Pugh
 * 1990). Offset zero is no node.
 *
 * A look-up goes for the probe: the key given to {@linkcode probe} last.
 */
export class SkipList {
  readonly words: Uint32Array;
  /** The last node before the probe at each level, as the writer found it. */
  readonly before = new Uint32Array(MAX_HEIGHT);
  readonly #arena: Arena;
  /** The probe, packed like a node's key. */
  #probe = new Uint32Array(64);
  #probeBytes = 0;

  /** @param arena Where the nodes are; {@linkcode format} has been called. */
  constructor(arena: Arena) {
    this.#arena = arena;
    this.words = arena.words;
    this.before.fill(this.words[HEAD]);
  }

  /** Makes an empty list in an empty arena. */
  static format(arena: Arena): void {
    const words = arena.words;
    const head = arena.allocate(MAX_HEIGHT + KEY) + MAX_HEIGHT;
    words.fill(0, head - MAX_HEIGHT, head + KEY);
    words[HEAD] = head;
    words[HEIGHT] = 1;
    // A client that chooses keys must not know which of them collide, nor which
    // nodes are high: without these the list would be a linear one.
    const secrets = crypto.getRandomValues(new Uint32Array(3));
    words[RANDOM] = secrets[0] | 1;
    words[HASH_KEY_0] = secrets[1];
    words[HASH_KEY_1] = secrets[2];
  }

  /** The node before all others, which has no key. */
  get head(): number {
    return this.words[HEAD];
  }

  /** The number of levels that a node is linked at. */
  heightOf(node: number): number {
    return this.words[node + META] & (1 << HEIGHT_BITS) - 1;
  }

  /**
   * Makes a node for the probe that is not linked yet, with a random height.
   *
   * @param record Its pointer record.
   * @param useReserve See {@linkcode Arena.allocate}.
   * @throws {IndexFullError} If there is no room.
   */
  make(record: number, useReserve: boolean): number {
    const words = this.words;
    const keyWords = (this.#probeBytes + 3) >>> 2;
    const wanted = this.#randomHeight();
    let height = wanted;
    let block = 0;
    for (let tries = 1; block === 0; tries++) {
      const size = height + KEY + keyWords;
      block = this.#arena.tryAllocate(size, useReserve, NODE);
      if (block !== 0) break;
      // In a full index removed nodes make room for nodes of their own size.
      // Any height will do; most were lower than the one wanted.
      if (tries === MAX_HEIGHT) throw new IndexFullError(words.byteLength);
      height = tries < wanted ? wanted - tries : tries + 1;
    }
    const node = block + height;
    words[node + POINTER] = record;
    words[node + META] = this.#probeBytes << HEIGHT_BITS | height;
    for (let i = 0; i < keyWords; i++) words[node + KEY + i] = this.#probe[i];
    return node;
  }

  /** Makes sure of a free block for the probe: see {@linkcode Arena.makeFree}. */
  makeFree(): boolean {
    return this.#arena.makeFree(1 + KEY + (this.#probeBytes + 3 >>> 2), NODE);
  }

  /** Frees a node that was never linked. */
  free(node: number): void {
    this.#arena.free(node - this.heightOf(node), this.#sizeOf(node));
  }

  /** Frees a node that has been unlinked, once no reader can stand on it. */
  retire(node: number): void {
    this.#arena.retire(node - this.heightOf(node), this.#sizeOf(node));
  }

  /** The first node with the probe's key or a greater one, or 0. For readers. */
  findAtLeast(): number {
    const words = this.words;
    let node = words[HEAD];
    let beyond = 0;
    for (let level = Atomics.load(words, HEIGHT) - 1; level >= 0; level--) {
      for (;;) {
        // Acquires the next node: its words were written before this link.
        const next = Atomics.load(words, node - 1 - level);
        // The node that ended the level above ends this one too, unless it has
        // been removed meanwhile: then there may be none behind it.
        if (next === beyond || next === 0) break;
        if (this.compare(next) >= 0) {
          beyond = next;
          break;
        }
        node = next;
      }
    }
    return beyond;
  }

  /**
   * The last node linked at a level that comes before the probe, or the head.
   * For readers.
   *
   * @param level From 0; one node in four is linked at the next level.
   * @param isLast Whether every node counts as one before the probe.
   */
  findLess(level: number, isLast: boolean): number {
    const words = this.words;
    let node = words[HEAD];
    for (let at = Atomics.load(words, HEIGHT) - 1; at >= level; at--) {
      for (;;) {
        const next = Atomics.load(words, node - 1 - at);
        if (next === 0 || !isLast && this.compare(next) >= 0) break;
        node = next;
      }
    }
    return node;
  }

  /** The probe's node, or 0; notes the way in `before`. Writer only. */
  findBefore(): number {
    return this.#descend(this.words[HEIGHT] - 1, this.words[HEAD]);
  }

  /**
   * Like {@linkcode findBefore}, and cheap where the probe lies soon after the
   * last one: it begins there (a finger search, Pugh 1990). Only while nobody
   * else changes the list.
   */
  findBeforeOnwards(): number {
    const words = this.words;
    const before = this.before;
    const last = before[0];
    if (last !== words[HEAD] && this.compare(last) >= 0) {
      return this.findBefore();
    }
    // Up to the first level that need not move on; those above need not either.
    let level = 0;
    const height = words[HEIGHT];
    while (level < height) {
      const next = words[before[level] - 1 - level];
      if (next === 0 || this.compare(next) >= 0) break;
      level++;
    }
    if (level > 0) return this.#descend(level - 1, before[level - 1]);
    const next = words[before[0] - 1];
    return next !== 0 && this.compare(next) === 0 ? next : 0;
  }

  #descend(fromLevel: number, fromNode: number): number {
    const words = this.words;
    const before = this.before;
    let node = fromNode;
    let beyond = 0;
    for (let level = fromLevel; level >= 0; level--) {
      for (;;) {
        // The only writer reads its own stores: no ordering is needed.
        const next = words[node - 1 - level];
        if (next === beyond || next === 0) break;
        if (this.compare(next) >= 0) {
          beyond = next;
          break;
        }
        node = next;
      }
      before[level] = node;
    }
    const next = words[node - 1];
    return next !== 0 && this.compare(next) === 0 ? next : 0;
  }

  /** Compares a node's key with the probe: negative where it comes before. */
  compare(node: number): number {
    const words = this.words;
    const probe = this.#probe;
    const nodeBytes = words[node + META] >>> HEIGHT_BITS;
    const probeBytes = this.#probeBytes;
    const common = nodeBytes < probeBytes ? nodeBytes : probeBytes;
    const commonWords = (common + 3) >>> 2;
    const key = node + KEY;
    for (let i = 0; i < commonWords; i++) {
      const a = words[key + i];
      const b = probe[i];
      if (a !== b) return a < b ? -1 : 1;
    }
    // Where the packed words agree, zero padding included, the shorter key is
    // a prefix of the longer, so the lengths decide.
    return nodeBytes - probeBytes;
  }

  /** Whether a node's key is the probe. */
  equalsProbe(node: number): boolean {
    const words = this.words;
    const probe = this.#probe;
    if (words[node + META] >>> HEIGHT_BITS !== this.#probeBytes) return false;
    const keyWords = (this.#probeBytes + 3) >>> 2;
    const key = node + KEY;
    for (let i = 0; i < keyWords; i++) {
      if (words[key + i] !== probe[i]) return false;
    }
    return true;
  }

  /** The probe's hash, 32 bits with a sign. */
  hashProbe(): number {
    return this.#hash(this.#probe, 0, this.#probeBytes);
  }

  /** The hash of a node's key. */
  hashOf(node: number): number {
    const length = this.words[node + META] >>> HEIGHT_BITS;
    return this.#hash(this.words, node + KEY, length);
  }

  #hash(from: Uint32Array, at: number, lengthBytes: number): number {
    const words = this.words;
    return halfSipHash(
      from,
      at,
      lengthBytes,
      words[HASH_KEY_0] | 0,
      words[HASH_KEY_1] | 0,
    );
  }

  /** Makes a key the probe. */
  probe(key: Uint8Array): void {
    const length = key.length;
    const probe = this.#probeFor(length);
    const whole = length >>> 2;
    let at = 0;
    for (let i = 0; i < whole; i++, at += 4) {
      probe[i] = key[at] << 24 | key[at + 1] << 16 | key[at + 2] << 8 |
        key[at + 3];
    }
    if (at < length) {
      let last = 0;
      for (let shift = 24; at < length; at++, shift -= 8) {
        last |= key[at] << shift;
      }
      probe[whole] = last;
    }
  }

  /** Makes a node's key the probe. */
  probeNode(node: number): void {
    const words = this.words;
    const length = words[node + META] >>> HEIGHT_BITS;
    const probe = this.#probeFor(length);
    for (let i = 0; i < (length + 3) >>> 2; i++) {
      probe[i] = words[node + KEY + i];
    }
  }

  /** The keys of nodes, which share memory: that of each would cost more. */
  keysOf(nodes: readonly number[]): Uint8Array[] {
    const words = this.words;
    let totalBytes = 0;
    for (const node of nodes) totalBytes += words[node + META] >>> HEIGHT_BITS;
    const bytes = new Uint8Array(totalBytes);
    let end = 0;
    return nodes.map((node) => {
      const start = end;
      end += words[node + META] >>> HEIGHT_BITS;
      for (let at = node + KEY, i = start; i < end; at++) {
        const word = words[at];
        bytes[i++] = word >>> 24;
        if (i < end) bytes[i++] = word >>> 16;
        if (i < end) bytes[i++] = word >>> 8;
        if (i < end) bytes[i++] = word;
      }
      // Not subarray(), which takes several times as long.
      return new Uint8Array(bytes.buffer, start, end - start);
    });
  }

  #probeFor(length: number): Uint32Array {
    const keyWords = (length + 3) >>> 2;
    if (keyWords > this.#probe.length) {
      this.#probe = new Uint32Array(keyWords * 2);
    }
    this.#probeBytes = length;
    return this.#probe;
  }

  /** The words of a node, links included. */
  #sizeOf(node: number): number {
    const keyBytes = this.words[node + META] >>> HEIGHT_BITS;
    return this.heightOf(node) + KEY + ((keyBytes + 3) >>> 2);
  }

  /** A height from 1, each further level with one chance in four. */
  #randomHeight(): number {
    const words = this.words;
    // Xorshift32 (Marsaglia 2003).
    let random = words[RANDOM];
    random ^= random << 13;
    random ^= random >>> 17;
    random ^= random << 5;
    words[RANDOM] = random;
    let height = 1;
    while (height < MAX_HEIGHT && (random & 3) === 0) {
      height++;
      random >>>= 2;
    }
    return height;
  }
}
