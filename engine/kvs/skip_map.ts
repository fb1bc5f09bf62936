/**
 * The index of the kvs engine: an ordered map from key to log pointer in
 * shared memory.
 *
 * @module
 */

import { Arena, IndexFullError, USER_WORDS } from "./arena.ts";
import { emptyPointer, type LogPointer } from "./log_pointer.ts";

// Words of the arena's header that belong to the map.
const HEAD = USER_WORDS;
const SIZE = USER_WORDS + 1;
const HEIGHT = USER_WORDS + 2;
const RANDOM = USER_WORDS + 3;

/** With one node in four reaching the next level, enough for 4^14 keys. */
const MAX_HEIGHT = 14;

// A node is named by its middle: links lie before it, the rest after it, so
// that neither needs the other's length to be found.
//   node - 1 - level   the next node at that level
//   node + 0           the pointer record
//   node + 1           key length in bytes * 16 + height
//   node + 2 ...       the key, packed big-endian, padded with zeros
const POINTER = 0;
const META = 1;
const KEY = 2;
const HEIGHT_BITS = 4;

// A pointer record is never changed once a node points to it.
const POINTER_WORDS = 5;

/** The longest key a node's meta word has room for, in bytes. */
export const MAX_KEY_BYTES = 2 ** 24;

/** A key and its pointer, as {@linkcode SkipMap.page} returns them. */
export interface Entry {
  /** The key's bytes. */
  readonly key: Uint8Array;
  /** Where its newest record lies. */
  readonly pointer: LogPointer;
}

/**
 * An ordered map from bytes to {@linkcode LogPointer} in one
 * SharedArrayBuffer: a skip list (Pugh 1990) for one writer at a time, who
 * holds the store's write lock, and any number of readers that take no lock.
 *
 * A reader sees a key's old pointer or its new one, never a mixture: a pointer
 * record is immutable, and a node is switched from one record to the next by
 * one atomic store. It never sees a node that is not whole, because a node is
 * linked only when it is filled in; nor one that was reused, because nodes and
 * records go back to the arena through its epochs. `docs/design.md` has the
 * whole argument.
 *
 * @example
 * ```ts
 * import { SkipMap } from "./skip_map.ts";
 * import { emptyPointer } from "./log_pointer.ts";
 *
 * const map = SkipMap.create(1 << 20);
 * const key = new TextEncoder().encode("k");
 * map.set(key, { segment: 1, offset: 16, length: 30, sequence: 1 });
 * const pointer = emptyPointer();
 * if (map.get(key, pointer)) console.log(pointer.offset); // 16
 * ```
 */
export class SkipMap {
  readonly #arena: Arena;
  readonly #words: Uint32Array;
  /** The last node before the probe at each level, as the writer found it. */
  readonly #before = new Uint32Array(MAX_HEIGHT);
  /** The key being looked for, packed like a node's. */
  #probe = new Uint32Array(64);
  #probeBytes = 0;

  private constructor(arena: Arena) {
    this.#arena = arena;
    this.#words = arena.words;
  }

  /**
   * Makes an empty map.
   *
   * @param sizeBytes The memory it may use, 256 KiB to 16 GiB; committed at
   * first use.
   */
  static create(sizeBytes: number): SkipMap {
    const arena = Arena.create(sizeBytes);
    const words = arena.words;
    const head = arena.allocate(MAX_HEIGHT + KEY) + MAX_HEIGHT;
    words.fill(0, head - MAX_HEIGHT, head + KEY);
    words[HEAD] = head;
    words[HEIGHT] = 1;
    words[RANDOM] = 0x9e3779b9;
    return new SkipMap(arena);
  }

  /**
   * Attaches to a map that another thread made.
   *
   * @param buffer The other map's {@linkcode buffer}.
   * @throws {Error} If too many readers are attached already.
   */
  static attach(buffer: SharedArrayBuffer): SkipMap {
    return new SkipMap(Arena.attach(buffer));
  }

  /** The shared memory, for {@linkcode attach} in another Worker. */
  get buffer(): SharedArrayBuffer {
    return this.#arena.buffer;
  }

  /** The memory under the map, for a snapshot of it. */
  get arena(): Arena {
    return this.#arena;
  }

  /** The number of keys. */
  get size(): number {
    return Atomics.load(this.#words, SIZE);
  }

  /** Bytes of the map's memory that are in use. */
  get usedBytes(): number {
    return this.#arena.usedWords * 4;
  }

  /** Ends this instance's use of the shared memory. */
  detach(): void {
    this.#arena.detach();
  }

  /**
   * Looks a key up, without a lock.
   *
   * @param key The key.
   * @param into Filled in with the key's pointer if the key is there.
   * @returns Whether the key is there.
   */
  get(key: Uint8Array, into: LogPointer): boolean {
    this.#pack(key);
    this.#arena.pin();
    const node = this.#find();
    if (node !== 0) {
      // Acquires the record: its words were written before this link to it.
      this.#readPointer(Atomics.load(this.#words, node + POINTER), into);
    }
    this.#arena.unpin();
    return node !== 0;
  }

  /**
   * Sets a key's pointer. Writer only.
   *
   * @param key The key, at most {@linkcode MAX_KEY_BYTES} bytes.
   * @param pointer The new pointer.
   * @param previous Filled in with the pointer that was replaced, if any.
   * @returns Whether the key was there.
   * @throws {IndexFullError} If there is no room; nothing has changed then.
   */
  set(
    key: Uint8Array,
    pointer: LogPointer,
    previous: LogPointer = emptyPointer(),
  ): boolean {
    return this.publish(this.prepare(key, pointer), previous);
  }

  /**
   * Allocates all that {@linkcode publish} will need, and changes nothing that
   * a reader can see. Writer only.
   *
   * A write prepares its index entry, then goes to the log, then publishes:
   * so that a full index is found out before there is a record to take back.
   *
   * @param key The key, at most {@linkcode MAX_KEY_BYTES} bytes.
   * @param pointer The pointer it is to have.
   * @returns What to give to {@linkcode publish} or {@linkcode discard}.
   * @throws {IndexFullError} If there is no room.
   */
  prepare(key: Uint8Array, pointer: LogPointer): number {
    if (key.length > MAX_KEY_BYTES) {
      throw new RangeError(
        `Key of ${key.length} bytes is longer than ${MAX_KEY_BYTES} bytes`,
      );
    }
    this.#pack(key);
    const words = this.#words;
    const record = this.#allocate(POINTER_WORDS);
    writePointer(words, record, pointer);
    const height = this.#randomHeight();
    const keyWords = (key.length + 3) >>> 2;
    let block;
    try {
      block = this.#allocate(height + KEY + keyWords);
    } catch (error) {
      this.#arena.free(record, POINTER_WORDS);
      throw error;
    }
    const node = block + height;
    words[node + POINTER] = record;
    words[node + META] = key.length << HEIGHT_BITS | height;
    for (let i = 0; i < keyWords; i++) words[node + KEY + i] = this.#probe[i];
    return node;
  }

  /** Frees what {@linkcode prepare} returned. Writer only. */
  discard(prepared: number): void {
    this.#arena.free(this.#words[prepared + POINTER], POINTER_WORDS);
    const height = this.#heightOf(prepared);
    this.#arena.free(prepared - height, this.#nodeWords(prepared));
  }

  /**
   * Makes a prepared entry visible. Writer only; cannot fail.
   *
   * @param prepared What {@linkcode prepare} returned.
   * @param previous Filled in with the pointer that was replaced, if any.
   * @returns Whether the key was there.
   */
  publish(prepared: number, previous: LogPointer): boolean {
    const words = this.#words;
    const record = words[prepared + POINTER];
    const height = this.#heightOf(prepared);
    this.#probeNode(prepared);
    const found = this.#findBefore();
    if (found !== 0) {
      this.#switchPointer(found, record, previous);
      this.#arena.free(prepared - height, this.#nodeWords(prepared));
      return true;
    }
    for (let level = words[HEIGHT]; level < height; level++) {
      this.#before[level] = words[HEAD];
    }
    for (let level = 0; level < height; level++) {
      words[prepared - 1 - level] = words[this.#before[level] - 1 - level];
    }
    if (height > words[HEIGHT]) Atomics.store(words, HEIGHT, height);
    // From the bottom up: a reader that finds the node at some level finds it
    // complete, and with links at every level below. Each store releases the
    // node's words to whoever loads the link.
    for (let level = 0; level < height; level++) {
      Atomics.store(words, this.#before[level] - 1 - level, prepared);
    }
    Atomics.store(words, SIZE, words[SIZE] + 1);
    return false;
  }

  /**
   * Moves a key to another pointer, provided that it still has the one given:
   * compaction's step. Writer only.
   *
   * @param key The key.
   * @param from The pointer it must have.
   * @param to The pointer it gets.
   * @returns Whether it was moved.
   * @throws {IndexFullError} If there is no room; nothing has changed then.
   */
  move(key: Uint8Array, from: LogPointer, to: LogPointer): boolean {
    this.#pack(key);
    const node = this.#find();
    if (node === 0) return false;
    const words = this.#words;
    const old = words[node + POINTER];
    // A record's place is its identity: file ids are never used twice.
    if (words[old] !== from.segment || words[old + 1] !== from.offset) {
      return false;
    }
    const record = this.#arena.allocate(POINTER_WORDS, true);
    writePointer(words, record, to);
    Atomics.store(words, node + POINTER, record);
    this.#arena.retire(old, POINTER_WORDS);
    return true;
  }

  /**
   * Removes a key. Writer only.
   *
   * @param key The key.
   * @param previous Filled in with the pointer it had.
   * @returns Whether the key was there.
   */
  remove(key: Uint8Array, previous: LogPointer): boolean {
    this.#pack(key);
    const node = this.#findBefore();
    if (node === 0) return false;
    const words = this.#words;
    const height = this.#heightOf(node);
    this.#readPointer(words[node + POINTER], previous);
    // From the top down, the reverse of publish(). The node keeps its own
    // links: a reader that stands on it still gets on to the nodes behind it.
    for (let level = height - 1; level >= 0; level--) {
      Atomics.store(
        words,
        this.#before[level] - 1 - level,
        words[node - 1 - level],
      );
    }
    Atomics.store(words, SIZE, words[SIZE] - 1);
    this.#arena.retire(words[node + POINTER], POINTER_WORDS);
    this.#arena.retire(node - height, this.#nodeWords(node));
    return true;
  }

  /**
   * Reads a run of entries in key order, without a lock.
   *
   * Keys are strictly ascending. A key that is there all the while is not
   * missed; one that comes or goes meanwhile may be seen or not.
   *
   * @param from Where to begin; `undefined` is the smallest key.
   * @param inclusive Whether an entry with the key `from` itself is wanted.
   * @param limit The most entries to return, at least 1. It bounds how long
   * the reader holds up the reuse of memory.
   * @returns The entries; fewer than `limit` only at the end of the map.
   */
  page(
    from: Uint8Array | undefined,
    inclusive: boolean,
    limit: number,
  ): Entry[] {
    const words = this.#words;
    const entries: Entry[] = [];
    this.#pack(from ?? new Uint8Array(0));
    this.#arena.pin();
    let node = from === undefined
      ? Atomics.load(words, words[HEAD] - 1)
      : this.#findAtLeast();
    if (
      node !== 0 && !inclusive && from !== undefined &&
      this.#compare(node) === 0
    ) {
      node = Atomics.load(words, node - 1);
    }
    while (node !== 0 && entries.length < limit) {
      const pointer = emptyPointer();
      this.#readPointer(Atomics.load(words, node + POINTER), pointer);
      entries.push({ key: this.#unpack(node), pointer });
      node = Atomics.load(words, node - 1);
    }
    this.#arena.unpin();
    return entries;
  }

  /** Allocates; only a key that is there already may use the last reserve. */
  #allocate(payloadWords: number): number {
    try {
      return this.#arena.allocate(payloadWords);
    } catch (error) {
      if (!(error instanceof IndexFullError) || this.#find() === 0) throw error;
      return this.#arena.allocate(payloadWords, true);
    }
  }

  #switchPointer(node: number, record: number, previous: LogPointer): void {
    const words = this.#words;
    const old = words[node + POINTER];
    this.#readPointer(old, previous);
    // Releases the new record's words to whoever loads it.
    Atomics.store(words, node + POINTER, record);
    this.#arena.retire(old, POINTER_WORDS);
  }

  #readPointer(record: number, into: LogPointer): void {
    const words = this.#words;
    into.segment = words[record];
    into.offset = words[record + 1];
    into.length = words[record + 2];
    into.sequence = words[record + 4] * 2 ** 32 + words[record + 3];
  }

  #heightOf(node: number): number {
    return this.#words[node + META] & (1 << HEIGHT_BITS) - 1;
  }

  #nodeWords(node: number): number {
    const keyBytes = this.#words[node + META] >>> HEIGHT_BITS;
    return this.#heightOf(node) + KEY + ((keyBytes + 3) >>> 2);
  }

  /** The node whose key is the probe, or 0. */
  #find(): number {
    const words = this.#words;
    let node = words[HEAD];
    let beyond = 0;
    for (let level = Atomics.load(words, HEIGHT) - 1; level >= 0; level--) {
      for (;;) {
        // Acquires the next node: its words were written before this link.
        const next = Atomics.load(words, node - 1 - level);
        // The node that ended the level above ends this one too.
        if (next === beyond) break;
        const order = this.#compare(next);
        if (order === 0) return next;
        if (order > 0) {
          beyond = next;
          break;
        }
        node = next;
      }
    }
    return 0;
  }

  /** The first node whose key is the probe or greater, or 0. */
  #findAtLeast(): number {
    const words = this.#words;
    let node = words[HEAD];
    let beyond = 0;
    for (let level = Atomics.load(words, HEIGHT) - 1; level >= 0; level--) {
      for (;;) {
        const next = Atomics.load(words, node - 1 - level);
        if (next === beyond) break;
        if (this.#compare(next) >= 0) {
          beyond = next;
          break;
        }
        node = next;
      }
    }
    return beyond;
  }

  /** Like {@linkcode #findAtLeast}, noting the way; 0 if the key differs. */
  #findBefore(): number {
    const words = this.#words;
    const before = this.#before;
    let node = words[HEAD];
    let beyond = 0;
    for (let level = words[HEIGHT] - 1; level >= 0; level--) {
      for (;;) {
        // The only writer reads its own stores: no ordering is needed.
        const next = words[node - 1 - level];
        if (next === beyond) break;
        if (this.#compare(next) >= 0) {
          beyond = next;
          break;
        }
        node = next;
      }
      before[level] = node;
    }
    return beyond !== 0 && this.#compare(beyond) === 0 ? beyond : 0;
  }

  /** Compares a node's key with the probe: negative where it comes before. */
  #compare(node: number): number {
    const words = this.#words;
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

  #pack(key: Uint8Array): void {
    const length = key.length;
    const keyWords = (length + 3) >>> 2;
    if (keyWords > this.#probe.length) {
      this.#probe = new Uint32Array(keyWords * 2);
    }
    const probe = this.#probe;
    const whole = length >>> 2;
    let at = 0;
    for (let i = 0; i < whole; i++, at += 4) {
      probe[i] = key[at] << 24 | key[at + 1] << 16 | key[at + 2] << 8 |
        key[at + 3];
    }
    if (whole < keyWords) {
      let last = 0;
      for (let shift = 24; at < length; at++, shift -= 8) {
        last |= key[at] << shift;
      }
      probe[whole] = last;
    }
    this.#probeBytes = length;
  }

  #probeNode(node: number): void {
    const words = this.#words;
    const length = words[node + META] >>> HEIGHT_BITS;
    const keyWords = (length + 3) >>> 2;
    if (keyWords > this.#probe.length) {
      this.#probe = new Uint32Array(keyWords * 2);
    }
    for (let i = 0; i < keyWords; i++) {
      this.#probe[i] = words[node + KEY + i];
    }
    this.#probeBytes = length;
  }

  #unpack(node: number): Uint8Array {
    const words = this.#words;
    const key = new Uint8Array(words[node + META] >>> HEIGHT_BITS);
    for (let i = 0; i < key.length; i++) {
      key[i] = words[node + KEY + (i >>> 2)] >>> (24 - 8 * (i & 3));
    }
    return key;
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

function writePointer(
  words: Uint32Array,
  record: number,
  pointer: LogPointer,
): void {
  words[record] = pointer.segment;
  words[record + 1] = pointer.offset;
  words[record + 2] = pointer.length;
  words[record + 3] = pointer.sequence >>> 0;
  words[record + 4] = Math.floor(pointer.sequence / 2 ** 32);
}
