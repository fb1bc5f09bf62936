/**
 * The index of the kvs engine: an ordered map from key to log pointer in
 * shared memory.
 *
 * @module
 */

import { IndexFullError } from "../../errors.ts";
import { Arena, RECORD } from "./arena.ts";
import { HashIndex } from "./hash_index.ts";
import { KeyVersions } from "./versions.ts";
import { emptyPointer, type LogPointer } from "./log_pointer.ts";
import { NO_HOLDER } from "./epochs.ts";
import { HEIGHT, MAX_KEY_BYTES, POINTER, SIZE, SkipList } from "./skip_list.ts";

/** A pointer record; it is never changed once a reader can reach it. */
const RECORD_WORDS = 5;

/**
 * So many keys in a row, each behind the one before, are taken for a batch in
 * key order: of keys in any order one in 24 is such a chance.
 */
const MIN_ASCENTS = 3;

/** A key and its pointer, as {@linkcode Keydir.page} returns them. */
export interface Entry {
  /** The key's bytes. */
  readonly key: Uint8Array;
  /** Where its newest record lies. */
  readonly pointer: LogPointer;
}

/** What {@linkcode Keydir.load} did with a record. */
export type LoadOutcome = "inserted" | "replaced" | "older";

/**
 * An ordered map from bytes to {@linkcode LogPointer} in one
 * SharedArrayBuffer, for one writer at a time, who holds the store's write
 * lock, and any number of readers that take no lock.
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
 * import { emptyPointer } from "./log_pointer.ts";
 * import { Keydir } from "./keydir.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const map = Keydir.create(1 << 20);
 * const key = new TextEncoder().encode("k");
 * map.set(key, { segment: 1, offset: 16, length: 30, sequence: 1 });
 * const pointer = emptyPointer();
 * assertEquals(map.get(key, pointer), true);
 * assertEquals(pointer.offset, 16);
 * ```
 */
export class Keydir {
  /** The memory under the map, for a checkpoint of it. */
  readonly arena: Arena;
  /** What tells who has looked a key up whether it must look again. */
  readonly versions: KeyVersions;
  readonly #list: SkipList;
  readonly #hash: HashIndex;
  readonly #words: Uint32Array;
  /** The node that was linked last, while nothing else changes the map. */
  #last = 0;
  /** How many nodes in a row were each linked behind the one before. */
  #ascents = 0;

  private constructor(arena: Arena) {
    this.arena = arena;
    this.#words = arena.words;
    this.#list = new SkipList(arena);
    this.#hash = new HashIndex(arena, this.#list);
    this.versions = new KeyVersions(arena.transient);
  }

  /**
   * Makes an empty map.
   *
   * @param sizeBytes The memory it may use, 256 KiB to 16 GiB; committed at
   * first use.
   * @param holder See {@linkcode releaseDeadReaders}.
   */
  static create(sizeBytes: number, holder = NO_HOLDER): Keydir {
    const arena = Arena.create(sizeBytes, holder);
    SkipList.format(arena);
    HashIndex.format(arena);
    return new Keydir(arena);
  }

  /**
   * Makes a map from the memory of another.
   *
   * @param sizeBytes The memory it may use, 256 KiB to 16 GiB.
   * @param contentBytes The size of the other's memory that was in use.
   * @param fill Copies that memory to where it is told; says whether it could.
   * @param holder See {@linkcode releaseDeadReaders}.
   * @returns The map, or `undefined` where it does not fit or was not filled.
   */
  static restore(
    sizeBytes: number,
    contentBytes: number,
    fill: (into: Uint8Array) => boolean,
    holder = NO_HOLDER,
  ): Keydir | undefined {
    const arena = Arena.create(sizeBytes, holder);
    if (contentBytes > arena.words.byteLength) return undefined;
    if (!fill(new Uint8Array(arena.buffer, 0, contentBytes))) return undefined;
    arena.adoptContent();
    return new Keydir(arena);
  }

  /**
   * Attaches to a map that another thread made.
   *
   * @param buffer The other map's {@linkcode buffer}.
   * @param holder See {@linkcode releaseDeadReaders}.
   * @throws {Error} If too many readers are attached already.
   */
  static attach(buffer: SharedArrayBuffer, holder = NO_HOLDER): Keydir {
    return new Keydir(Arena.attach(buffer, holder));
  }

  /** The shared memory, for {@linkcode attach} in another Worker. */
  get buffer(): SharedArrayBuffer {
    return this.arena.buffer;
  }

  /** The number of keys. */
  get size(): number {
    return Atomics.load(this.#words, SIZE);
  }

  /** Bytes of the map's memory that are in use. */
  get usedBytes(): number {
    return this.arena.usedWords * 4;
  }

  /** Bytes of memory that the map may use. */
  get limitBytes(): number {
    return this.arena.words.byteLength;
  }

  /** Ends this instance's use of the shared memory. */
  detach(): void {
    this.arena.detach();
  }

  /**
   * Ends the use of the shared memory by threads that have died: see
   * {@linkcode Arena.releaseReaders}.
   *
   * @param isAlive Tells whether the holder with an id still runs.
   */
  releaseDeadReaders(isAlive: (holder: number) => boolean): void {
    for (const holder of this.arena.holders()) {
      if (!isAlive(holder)) this.arena.releaseReaders(holder);
    }
  }

  /**
   * The hash of a key: the same in all instances of a map, and another in
   * another map.
   *
   * @param key The key.
   * @returns Its hash, 32 bits with a sign.
   */
  hashOf(key: Uint8Array): number {
    this.#list.probe(key);
    return this.#list.hashProbe();
  }

  /**
   * Looks a key up, without a lock.
   *
   * @param key The key.
   * @param into Filled in with the key's pointer if the key is there.
   * @returns Whether the key is there.
   */
  get(key: Uint8Array, into: LogPointer): boolean {
    this.#list.probe(key);
    return this.#get(this.#list.hashProbe(), into);
  }

  /**
   * Like {@linkcode get}, for callers that have the key's hash.
   *
   * @param key The key.
   * @param hash What {@linkcode hashOf} says of it.
   * @param into Filled in with the key's pointer if the key is there.
   * @returns Whether the key is there.
   */
  getHashed(key: Uint8Array, hash: number, into: LogPointer): boolean {
    this.#list.probe(key);
    return this.#get(hash, into);
  }

  #get(hash: number, into: LogPointer): boolean {
    this.arena.pin();
    const node = this.#hash.find(hash);
    if (node !== 0) {
      // Acquires the record: its words were written before this link to it.
      readRecord(this.#words, Atomics.load(this.#words, node + POINTER), into);
    }
    this.arena.unpin();
    return node !== 0;
  }

  /**
   * Sets a key's pointer. Writer only.
   *
   * @param key The key, at most 16 MiB.
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
   * @param key The key, at most 16 MiB.
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
    this.#list.probe(key);
    try {
      return this.#makeNode(pointer, false);
    } catch (error) {
      // Near the limit only a key that is there already is let through: its
      // node is given back by publish().
      if (!(error instanceof IndexFullError)) throw error;
      if (this.#hash.find(this.#list.hashProbe()) !== 0) {
        return this.#makeNode(pointer, true);
      }
      // Keys of other lengths may have been removed.
      const isFree = this.arena.makeFree(RECORD_WORDS, RECORD) &&
        this.#list.makeFree();
      if (!isFree) throw error;
      return this.#makeNode(pointer, false);
    }
  }

  /** Frees what {@linkcode prepare} returned. Writer only. */
  discard(prepared: number): void {
    this.arena.free(this.#words[prepared + POINTER], RECORD_WORDS, RECORD);
    this.#hash.release(this.#list.hashOf(prepared));
    this.#list.free(prepared);
  }

  /**
   * Makes a prepared entry visible. Writer only; cannot fail.
   *
   * @param prepared What {@linkcode prepare} returned.
   * @param previous Filled in with the pointer that was replaced, if any.
   * @param follows Whether nothing has changed the map since this instance's
   * last call: then keys that come in order need no search from the head.
   * @returns Whether the key was there.
   */
  publish(
    prepared: number,
    previous: LogPointer,
    follows = false,
  ): boolean {
    const list = this.#list;
    list.probeNode(prepared);
    const hash = list.hashProbe();
    // Where the last search ended may be gone by now, and its memory used again.
    // To be noted here already: a key that is there may need no search, and be
    // the next one that would go on from there.
    if (!follows) this.#last = 0;
    const isAscent = this.#last !== 0 && list.compare(this.#last) < 0;
    const isRun = isAscent && this.#ascents >= MIN_ASCENTS;
    const node = isRun ? list.findBeforeOnwards() : this.#hash.find(hash);
    if (node === 0) {
      if (!isRun) list.findBefore();
      this.#ascents = isAscent ? this.#ascents + 1 : 0;
      this.#last = prepared;
      this.#link(prepared, hash);
      return false;
    }
    // Where keys are there already, their hashes find them sooner.
    this.#ascents = 0;
    const old = this.#words[node + POINTER];
    readRecord(this.#words, old, previous);
    this.versions.beginChange(hash);
    // Releases the new record's words to whoever loads the pointer.
    Atomics.store(this.#words, node + POINTER, this.#words[prepared + POINTER]);
    this.versions.endChange(hash);
    this.arena.retire(old, RECORD_WORDS, RECORD);
    this.#hash.release(hash);
    list.free(prepared);
    return true;
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
    this.#list.probe(key);
    const node = this.#hash.find(this.#list.hashProbe());
    if (node === 0) return false;
    const words = this.#words;
    const old = words[node + POINTER];
    // A record's place is its identity: file ids are never used twice.
    if (words[old] !== from.segment || words[old + 1] !== from.offset) {
      return false;
    }
    // No new version: the value stays, and who has read it need not look again.
    Atomics.store(words, node + POINTER, this.#makeRecord(to, true));
    this.arena.retire(old, RECORD_WORDS, RECORD);
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
    this.#list.probe(key);
    const node = this.#list.findBefore();
    if (node === 0) return false;
    const words = this.#words;
    const record = words[node + POINTER];
    readRecord(words, record, previous);
    const hash = this.#list.hashProbe();
    this.versions.beginChange(hash);
    this.#hash.remove(hash, node);
    // From the top down, the reverse of #link(). The node keeps its own links:
    // a reader that stands on it still gets on to the nodes behind it.
    for (let level = this.#list.heightOf(node) - 1; level >= 0; level--) {
      const link = this.#list.before[level] - 1 - level;
      Atomics.store(words, link, words[node - 1 - level]);
    }
    this.versions.endChange(hash);
    Atomics.store(words, SIZE, words[SIZE] - 1);
    this.arena.retire(record, RECORD_WORDS, RECORD);
    this.#list.retire(node);
    return true;
  }

  /**
   * Begins a run of {@linkcode load}, in which nobody else looks at the map;
   * it ends with {@linkcode endLoading}.
   */
  beginLoading(): void {
    if (this.size === 0) this.#hash.defer();
  }

  /**
   * Ends what {@linkcode beginLoading} began.
   *
   * @throws {IndexFullError} If there is no room.
   */
  endLoading(): void {
    this.#hash.build();
  }

  /**
   * Sets a key's pointer unless the key has a newer one, while the store is
   * being opened and nobody else looks at the map.
   *
   * @param key The key, at most 16 MiB.
   * @param pointer The pointer; of equal sequence numbers the later call wins.
   * @param previous Filled in with the pointer that the key had, if any.
   * @param ascending Whether keys come in ascending order, more or less: then
   * it begins to look where the last call ended.
   * @returns What it did.
   * @throws {IndexFullError} If there is no room.
   */
  load(
    key: Uint8Array,
    pointer: LogPointer,
    previous: LogPointer,
    ascending: boolean,
  ): LoadOutcome {
    const list = this.#list;
    list.probe(key);
    const node = ascending ? list.findBeforeOnwards() : list.findBefore();
    if (node === 0) {
      this.#link(this.#makeNode(pointer, true), list.hashProbe());
      return "inserted";
    }
    const record = this.#words[node + POINTER];
    readRecord(this.#words, record, previous);
    if (previous.sequence > pointer.sequence) return "older";
    writeRecord(this.#words, record, pointer);
    return "replaced";
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
   * @param end Where to end: before this key.
   * @returns The entries; fewer than `limit` only at the end.
   */
  page(
    from: Uint8Array | undefined,
    inclusive: boolean,
    limit: number,
    end?: Uint8Array,
  ): Entry[] {
    const words = this.#words;
    const list = this.#list;
    const nodes: number[] = [];
    if (from !== undefined) list.probe(from);
    this.arena.pin();
    let node = from === undefined
      ? Atomics.load(words, list.head - 1)
      : list.findAtLeast();
    if (
      from !== undefined && !inclusive && node !== 0 && list.compare(node) === 0
    ) node = Atomics.load(words, node - 1);
    if (end !== undefined) list.probe(end);
    while (
      node !== 0 && nodes.length < limit &&
      (end === undefined || list.compare(node) < 0)
    ) {
      nodes.push(node);
      node = Atomics.load(words, node - 1);
    }
    const entries = this.#entriesOf(nodes);
    this.arena.unpin();
    return entries;
  }

  /**
   * Reads a run of entries from greater keys to lesser, without a lock, and
   * with what {@linkcode page} promises.
   *
   * There are no links backwards. So it goes to a node some way before the
   * place, which the upper levels lead to, and from there forwards.
   *
   * @param before Where to begin: before this key; `undefined` is the end.
   * @param limit As for {@linkcode page}.
   * @param start Where to end: no key is less than this one.
   * @returns The entries; fewer than `limit` only at the end.
   */
  pageBackwards(
    before: Uint8Array | undefined,
    limit: number,
    start?: Uint8Array,
  ): Entry[] {
    const words = this.#words;
    const list = this.#list;
    const nodes: number[] = [];
    // Of the nodes at this level there is one in 4 ** level.
    const level = Math.floor(Math.log2(limit) / 2);
    let isLast = before === undefined;
    if (before !== undefined) list.probe(before);
    this.arena.pin();
    let isDone = false;
    while (!isDone && nodes.length < limit) {
      const first = list.findLess(level, isLast);
      const run = first === list.head ? [] : [first];
      let node = Atomics.load(words, first - 1);
      while (node !== 0 && (isLast || list.compare(node) < 0)) {
        run.push(node);
        node = Atomics.load(words, node - 1);
      }
      if (run.length === 0) break;
      if (start !== undefined) list.probe(start);
      for (let i = run.length - 1; i >= 0 && nodes.length < limit; i--) {
        isDone = start !== undefined && list.compare(run[i]) < 0;
        if (isDone) break;
        nodes.push(run[i]);
      }
      list.probeNode(run[0]);
      isLast = false;
    }
    const entries = this.#entriesOf(nodes);
    this.arena.unpin();
    return entries;
  }

  #entriesOf(nodes: readonly number[]): Entry[] {
    const keys = this.#list.keysOf(nodes);
    return nodes.map((node, i) => {
      // Acquires the record, as in get().
      const record = Atomics.load(this.#words, node + POINTER);
      return { key: keys[i], pointer: pointerAt(this.#words, record) };
    });
  }

  /** Links a new node in, behind the nodes that the last search noted. */
  #link(node: number, hash: number): void {
    const words = this.#words;
    const before = this.#list.before;
    const height = this.#list.heightOf(node);
    for (let level = words[HEIGHT]; level < height; level++) {
      before[level] = this.#list.head;
    }
    for (let level = 0; level < height; level++) {
      words[node - 1 - level] = words[before[level] - 1 - level];
    }
    // First, so that who finds it in a run of entries also finds it here.
    this.#hash.insert(hash, node);
    if (height > words[HEIGHT]) Atomics.store(words, HEIGHT, height);
    // From the bottom up: a reader that finds the node at some level finds it
    // complete, and with links at every level below. Each store releases the
    // node's words to whoever loads the link.
    for (let level = 0; level < height; level++) {
      Atomics.store(words, before[level] - 1 - level, node);
    }
    Atomics.store(words, SIZE, words[SIZE] + 1);
  }

  #makeNode(pointer: LogPointer, useReserve: boolean): number {
    const hash = this.#list.hashProbe();
    this.#hash.reserve(hash, useReserve);
    let record = 0;
    try {
      record = this.#makeRecord(pointer, useReserve);
      return this.#list.make(record, useReserve);
    } catch (error) {
      this.#hash.release(hash);
      if (record !== 0) this.arena.free(record, RECORD_WORDS, RECORD);
      throw error;
    }
  }

  #makeRecord(pointer: LogPointer, useReserve: boolean): number {
    const record = this.arena.allocate(RECORD_WORDS, useReserve, RECORD);
    writeRecord(this.#words, record, pointer);
    return record;
  }
}

function readRecord(
  words: Uint32Array,
  record: number,
  into: LogPointer,
): void {
  into.segment = words[record];
  into.offset = words[record + 1];
  into.length = words[record + 2];
  into.sequence = words[record + 4] * 2 ** 32 + words[record + 3];
}

function pointerAt(words: Uint32Array, record: number): LogPointer {
  return {
    segment: words[record],
    offset: words[record + 1],
    length: words[record + 2],
    sequence: words[record + 4] * 2 ** 32 + words[record + 3],
  };
}

function writeRecord(
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
