/**
 * The ordered list of the index: a skip list (Pugh 1990) in shared memory, for
 * one writer at a time and readers that take no lock.
 *
 * **Nodes.** A key has one node, named by the offset of its middle: links lie
 * before it and the rest after it, so that neither half needs to know the
 * other's length.
 *
 * ```text
 * … next at level 1 │ next at level 0 │ pointer │ meta │ key …
 *                                     ▲
 *                                   node
 * ```
 *
 * `pointer` is the offset of a stored {@linkcode LogPointer}. `meta` is the
 * key's length times 16 plus the node's height. While a node is not linked yet,
 * its link at level 0 holds the hash of its key.
 *
 * **Searching.** {@linkcode SkipList.seek} goes down from the highest level and
 * notes in a {@linkcode Position} the last node before the key at each level.
 * Readers and the writer use the same search: a reader takes the node that it
 * returns, the writer gives the position to the change that comes next.
 *
 * **Linking** goes from the bottom up, after the node is whole, and
 * **unlinking** from the top down. So a reader that finds a node at some level
 * finds it complete, with links at every level below. A node that was unlinked
 * keeps its own links: a reader on it still gets to the nodes after it, and the
 * epochs keep its memory until that reader is done.
 *
 * **Going on.** A position stays good while all changes of the list are made
 * with it. Then keys that come in order need no search from the head (a finger
 * search). {@linkcode Position.reset} forgets it where another may have changed
 * the list.
 *
 * @module
 */

import { IndexFullError } from "../../errors.ts";
import type { Arena } from "./arena.ts";
import {
  HASH_KEY_0,
  HASH_KEY_1,
  HEAD,
  HEIGHT,
  NODE,
  RANDOM,
  SIZE,
} from "./layout.ts";
import { hashPacked, type PackedKey } from "./packed_key.ts";

/** With one node in four reaching the next level, enough for 4^14 keys. */
export const MAX_HEIGHT = 14;

/** From a node to the offset of its pointer. */
export const POINTER = 0;
const META = 1;
const KEY = 2;
const HEIGHT_BITS = 4;

/** The longest key a node's meta word has room for, in bytes. */
export const MAX_KEY_BYTES = 2 ** 24;

/** Where a search has ended; the caller's, used again and again. */
export class Position {
  /** The last node before the key at each level; the lowest is 0 for nowhere. */
  readonly before = new Uint32Array(MAX_HEIGHT);
  /** How many nodes in a row were each linked after the one before. */
  ascents = 0;
  /** Whether others may change the list during a search. */
  readonly isShared: boolean;

  /** A reader's is shared; a writer's, with the lock held, is not. */
  constructor({ isShared = false } = {}) {
    this.isShared = isShared;
  }

  /** Forgets it: another may have changed the list since. */
  reset(): void {
    this.before[0] = 0;
  }
}

/** Nodes in an {@linkcode Arena}, linked in key order; 0 is no node. */
export class SkipList {
  readonly #words: Uint32Array;
  readonly #arena: Arena;
  /** For {@linkcode find}, which keeps no position. */
  readonly #position = new Position({ isShared: true });

  /** @param arena Where the nodes are; {@linkcode format} has been called. */
  constructor(arena: Arena) {
    this.#arena = arena;
    this.#words = arena.words;
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

  /** The number of nodes that are linked. */
  get size(): number {
    return Atomics.load(this.#words, SIZE);
  }

  /** The node before all others, which has no key. */
  get head(): number {
    return this.#words[HEAD];
  }

  /** The node after a node, or 0. */
  next(node: number): number {
    // Acquires the next node: its words were written before this link to it.
    return Atomics.load(this.#words, node - 1);
  }

  /**
   * Makes a node that is not linked yet, with a random height.
   *
   * @param key Its key.
   * @param pointer The offset of its pointer.
   * @param useReserve See {@linkcode Arena.allocate}.
   * @throws {IndexFullError} If there is no room.
   */
  make(key: PackedKey, pointer: number, useReserve: boolean): number {
    const words = this.#words;
    const keyWords = (key.lengthBytes + 3) >>> 2;
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
    words[node - 1] = key.hash;
    words[node + POINTER] = pointer;
    words[node + META] = key.lengthBytes << HEIGHT_BITS | height;
    for (let i = 0; i < keyWords; i++) {
      words[node + KEY + i] = key.words[key.at + i];
    }
    return node;
  }

  /** Makes sure of a free block for a key: see {@linkcode Arena.makeFree}. */
  makeFree(key: PackedKey): boolean {
    return this.#arena.makeFree(1 + KEY + (key.lengthBytes + 3 >>> 2), NODE);
  }

  /** Frees a node that was never linked. */
  free(node: number): void {
    this.#arena.free(node - this.#heightOf(node), this.#sizeOf(node));
  }

  /** The first node with a key or a greater one, or 0. */
  seek(key: PackedKey, position: Position): number {
    const words = this.#words;
    const top = Atomics.load(words, HEIGHT) - 1;
    return this.#descend(key, position, top, words[HEAD]);
  }

  /** Goes to the end of the list. For readers. */
  seekEnd({ before }: Position): void {
    const words = this.#words;
    let node = words[HEAD];
    for (let level = Atomics.load(words, HEIGHT) - 1; level >= 0; level--) {
      for (;;) {
        // Acquires the next node, as in a search.
        const next = Atomics.load(words, node - 1 - level);
        if (next === 0) break;
        node = next;
      }
      before[level] = node;
    }
  }

  /** Like {@linkcode seek}, and cheap for a key soon after the position. */
  seekOnwards(key: PackedKey, position: Position): number {
    const words = this.#words;
    const { before } = position;
    const last = before[0];
    if (last === 0 || last !== words[HEAD] && this.compare(last, key) >= 0) {
      return this.seek(key, position);
    }
    // Up to the first level that need not move on; those above need not either.
    let level = 0;
    const height = words[HEIGHT];
    while (level < height) {
      const next = words[before[level] - 1 - level];
      if (next === 0 || this.compare(next, key) >= 0) break;
      level++;
    }
    if (level === 0) return words[last - 1];
    return this.#descend(key, position, level - 1, before[level - 1]);
  }

  #descend(
    key: PackedKey,
    position: Position,
    level: number,
    node: number,
  ): number {
    const words = this.#words;
    const { before, isShared } = position;
    let beyond = 0;
    for (; level >= 0; level--) {
      for (;;) {
        const link = node - 1 - level;
        // Acquires the next node: its words were written before this link to it.
        // The only writer reads its own stores, in a third of the time.
        const next = isShared ? Atomics.load(words, link) : words[link];
        // The node that ended the level above ends this one too, unless it has
        // been removed meanwhile: then there may be none after it.
        if (next === beyond || next === 0) break;
        if (this.compare(next, key) >= 0) {
          beyond = next;
          break;
        }
        node = next;
      }
      before[level] = node;
    }
    return beyond;
  }

  /** The node with a key, or 0. */
  find(key: PackedKey): number {
    const node = this.seek(key, this.#position);
    return node !== 0 && this.equals(node, key) ? node : 0;
  }

  /** Whether a position is that of a node whose key comes before this one. */
  isAfter(position: Position, key: PackedKey): boolean {
    const last = position.before[0];
    return last !== 0 && last !== this.#words[HEAD] &&
      this.compare(last, key) < 0;
  }

  /** Links a new node in at a position, which moves on to it. Writer only. */
  link(node: number, { before }: Position): void {
    const words = this.#words;
    const height = this.#heightOf(node);
    for (let level = words[HEIGHT]; level < height; level++) {
      before[level] = words[HEAD];
    }
    for (let level = 0; level < height; level++) {
      words[node - 1 - level] = words[before[level] - 1 - level];
    }
    if (height > words[HEIGHT]) Atomics.store(words, HEIGHT, height);
    for (let level = 0; level < height; level++) {
      // Releases the node's words to a reader that loads the link.
      Atomics.store(words, before[level] - 1 - level, node);
      before[level] = node;
    }
    Atomics.store(words, SIZE, words[SIZE] + 1);
  }

  /** Unlinks the node after a position, and retires it. Writer only. */
  unlink(node: number, { before }: Position): void {
    const words = this.#words;
    const height = this.#heightOf(node);
    for (let level = height - 1; level >= 0; level--) {
      const link = before[level] - 1 - level;
      Atomics.store(words, link, words[node - 1 - level]);
    }
    Atomics.store(words, SIZE, words[SIZE] - 1);
    this.#arena.retire(node - height, this.#sizeOf(node));
  }

  /** Compares a node's key with another: negative where it comes before. */
  compare(node: number, key: PackedKey): number {
    const words = this.#words;
    const other = key.words;
    const otherAt = key.at;
    const nodeBytes = words[node + META] >>> HEIGHT_BITS;
    const otherBytes = key.lengthBytes;
    const common = nodeBytes < otherBytes ? nodeBytes : otherBytes;
    const commonWords = (common + 3) >>> 2;
    const nodeAt = node + KEY;
    for (let i = 0; i < commonWords; i++) {
      const a = words[nodeAt + i];
      const b = other[otherAt + i];
      if (a !== b) return a < b ? -1 : 1;
    }
    // Where the packed words agree, zero padding included, the shorter key is
    // a prefix of the longer, so the lengths decide.
    return nodeBytes - otherBytes;
  }

  /** Whether a node has a key. */
  equals(node: number, key: PackedKey): boolean {
    const words = this.#words;
    const other = key.words;
    const otherAt = key.at;
    const lengthBytes = key.lengthBytes;
    if (words[node + META] >>> HEIGHT_BITS !== lengthBytes) return false;
    const keyWords = (lengthBytes + 3) >>> 2;
    const nodeAt = node + KEY;
    for (let i = 0; i < keyWords; i++) {
      if (words[nodeAt + i] !== other[otherAt + i]) return false;
    }
    return true;
  }

  /** A node's key, to search for; its hash only where that is needed. */
  keyOf(node: number, into: PackedKey, hash = 0): PackedKey {
    const lengthBytes = this.#words[node + META] >>> HEIGHT_BITS;
    return into.refer(node + KEY, lengthBytes, hash);
  }

  /** The hash of a node's key. */
  hashOf(node: number): number {
    const words = this.#words;
    const lengthBytes = words[node + META] >>> HEIGHT_BITS;
    return hashPacked(words, words, node + KEY, lengthBytes);
  }

  /** The hash of the key of a node that is not linked yet. */
  hashOfUnlinked(node: number): number {
    return this.#words[node - 1] | 0;
  }

  /** The keys of nodes, which share memory: that of each would cost more. */
  keysOf(nodes: readonly number[]): Uint8Array[] {
    const words = this.#words;
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

  #heightOf(node: number): number {
    return this.#words[node + META] & (1 << HEIGHT_BITS) - 1;
  }

  /** The words of a node, links included. */
  #sizeOf(node: number): number {
    const keyBytes = this.#words[node + META] >>> HEIGHT_BITS;
    return this.#heightOf(node) + KEY + ((keyBytes + 3) >>> 2);
  }

  /** A height from 1, each further level with one chance in four. */
  #randomHeight(): number {
    const words = this.#words;
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
