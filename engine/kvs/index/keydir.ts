/**
 * The index of the kvs engine: from each key to where its newest record lies.
 *
 * @module
 */

import { IndexFullError } from "../../errors.ts";
import { Arena } from "./arena.ts";
import { type Entry, type EntryRange, EntryReader } from "./entries.ts";
import { type Epochs, NO_HOLDER } from "./epochs.ts";
import { HashIndex } from "./hash_index.ts";
import { RECORD } from "./layout.ts";
import {
  emptyPointer,
  type LogPointer,
  POINTER_WORDS,
  pointsTo,
  readPointer,
  writePointer,
} from "./log_pointer.ts";
import { PackedKey } from "./packed_key.ts";
import { MAX_KEY_BYTES, POINTER, Position, SkipList } from "./skip_list.ts";
import { KeyVersions } from "./versions.ts";

/**
 * So many keys in a row, each after the one before, are taken for a batch in
 * key order: of keys in any order one in 24 is such a chance.
 */
const MIN_ASCENTS = 3;

/** What {@linkcode Keydir.load} did with a record. */
export type LoadOutcome = "inserted" | "replaced" | "older";

/**
 * An ordered map from bytes to {@linkcode LogPointer} in one
 * SharedArrayBuffer, for one writer at a time, who holds the store's write
 * lock, and any number of readers that take no lock.
 *
 * A reader sees a key's old pointer or its new one, never a mixture: a stored
 * pointer is immutable, and a node is switched from one to the next by one
 * atomic store. `docs/design.md` has the whole argument.
 */
export class Keydir {
  /** The memory under the map, for a checkpoint of it. */
  readonly arena: Arena;
  /** What tells a reader of a key whether it must look the key up again. */
  readonly versions: KeyVersions;
  readonly #words: Uint32Array;
  readonly #epochs: Epochs;
  readonly #list: SkipList;
  readonly #hash: HashIndex;
  readonly #entries: EntryReader;
  /** Kept so that no call allocates one. */
  readonly #key: PackedKey;
  /** The key of a prepared node. */
  readonly #prepared: PackedKey;
  readonly #position = new Position();

  private constructor(arena: Arena) {
    this.arena = arena;
    this.#words = arena.words;
    this.#epochs = arena.epochs;
    this.#list = new SkipList(arena);
    this.#hash = new HashIndex(arena, this.#list);
    this.#entries = new EntryReader(arena, this.#list);
    this.versions = new KeyVersions(arena.versions);
    this.#key = this.newKey();
    this.#prepared = this.newKey();
  }

  /**
   * Makes an empty map of 256 KiB to 16 GiB, committed at first use. `holder` is
   * the id that {@linkcode releaseDeadReaders} knows the instance by.
   */
  static create(sizeBytes: number, holder = NO_HOLDER): Keydir {
    const arena = Arena.create(sizeBytes, holder);
    SkipList.format(arena);
    HashIndex.format(arena);
    return new Keydir(arena);
  }

  /**
   * Makes a map from the memory of another, which `fill` copies to where it is
   * told; `undefined` where it does not fit, or was not copied.
   */
  static restore(
    sizeBytes: number,
    contentBytes: number,
    fill: (into: Uint8Array) => boolean,
  ): Keydir | undefined {
    const arena = Arena.create(sizeBytes);
    if (contentBytes > arena.words.byteLength) return undefined;
    if (!fill(new Uint8Array(arena.buffer, 0, contentBytes))) return undefined;
    // Kept for readers that the other had.
    arena.epochs.freeAll();
    return new Keydir(arena);
  }

  /** Attaches to a map that another thread made: see {@linkcode buffer}. */
  static attach(buffer: SharedArrayBuffer, holder = NO_HOLDER): Keydir {
    return new Keydir(Arena.attach(buffer, holder));
  }

  /** The shared memory, for {@linkcode attach} in another Worker. */
  get buffer(): SharedArrayBuffer {
    return this.arena.buffer;
  }

  /** The number of keys. */
  get size(): number {
    return this.#list.size;
  }

  /** Bytes of the map's memory that are in use. */
  get usedBytes(): number {
    return this.arena.usedWords * 4;
  }

  /** Bytes of memory that the map may use. */
  get limitBytes(): number {
    return this.#words.byteLength;
  }

  /** Ends this instance's use of the shared memory. */
  detach(): void {
    this.#epochs.detach();
  }

  /** Ends what threads that have died were reading: nothing waits for it then. */
  releaseDeadReaders(isAlive: (holder: number) => boolean): void {
    for (const holder of this.#epochs.holders()) {
      if (!isAlive(holder)) this.#epochs.release(holder);
    }
  }

  /** Makes a key for {@linkcode find}, to pack one key after the other into. */
  newKey(): PackedKey {
    return new PackedKey(this.#words);
  }

  /** The hash of a key, the same in all instances of a map. */
  hashOf(key: Uint8Array): number {
    return this.#key.pack(key).hash;
  }

  /** Whether a key is there; then `into` becomes its pointer. Takes no lock. */
  get(key: Uint8Array, into: LogPointer): boolean {
    return this.find(this.#key.pack(key), into);
  }

  /** Like {@linkcode get}, for a key that is packed already. */
  find(key: PackedKey, into: LogPointer): boolean {
    this.#epochs.pin();
    try {
      const node = this.#hash.find(key);
      if (node === 0) return false;
      // Acquires the pointer: its words were written before this link to it.
      readPointer(this.#words, Atomics.load(this.#words, node + POINTER), into);
      return true;
    } finally {
      this.#epochs.unpin();
    }
  }

  /**
   * Sets a key's pointer. Writer only.
   *
   * @returns Whether the key was there; then `previous` is what it had.
   * @throws {IndexFullError} If there is no room; nothing has changed then.
   */
  set(
    key: Uint8Array,
    pointer: LogPointer,
    previous: LogPointer = emptyPointer(),
  ): boolean {
    const prepared = this.prepare(key, pointer);
    this.#position.reset();
    return this.publish(prepared, previous, this.#position);
  }

  /**
   * Allocates all that {@linkcode publish} will need, and changes nothing that
   * a reader can see. Writer only.
   *
   * A write prepares its entry, then goes to the log, then publishes: so a full
   * index is found out before there is a record to take back.
   *
   * @returns What to give to {@linkcode publish} or {@linkcode discard}.
   * @throws {IndexFullError} If there is no room.
   */
  prepare(key: Uint8Array, pointer: LogPointer): number {
    if (key.length > MAX_KEY_BYTES) {
      throw new RangeError(
        `Key of ${key.length} bytes is longer than ${MAX_KEY_BYTES} bytes`,
      );
    }
    const packed = this.#key.pack(key);
    try {
      return this.#makeNode(packed, pointer, false);
    } catch (error) {
      // Near the limit only a key that is there already is let through: its
      // node is given back by publish().
      if (!(error instanceof IndexFullError)) throw error;
      if (this.#hash.find(packed) !== 0) {
        return this.#makeNode(packed, pointer, true);
      }
      // Keys of other lengths may have been removed.
      const isFree = this.arena.makeFree(POINTER_WORDS, RECORD) &&
        this.#list.makeFree(packed);
      if (!isFree) throw error;
      return this.#makeNode(packed, pointer, false);
    }
  }

  /** Frees what {@linkcode prepare} returned. Writer only. */
  discard(prepared: number): void {
    this.arena.free(this.#words[prepared + POINTER], POINTER_WORDS, RECORD);
    this.#hash.release(this.#list.hashOfUnlinked(prepared));
    this.#list.free(prepared);
  }

  /**
   * Makes a prepared entry visible. Writer only; cannot fail.
   *
   * @param position Where the last call ended, if nothing else has changed the
   * map since: then keys that come in order need no search from the head.
   * @returns Whether the key was there; then `previous` is what it had.
   */
  publish(
    prepared: number,
    previous: LogPointer,
    position: Position,
  ): boolean {
    const list = this.#list;
    const hash = list.hashOfUnlinked(prepared);
    const key = list.keyOf(prepared, this.#prepared, hash);
    const isAscent = list.isAfter(position, key);
    const isRun = isAscent && position.ascents >= MIN_ASCENTS;
    const node = isRun
      ? this.#seekOnwards(key, position)
      : this.#hash.find(key);
    if (node === 0) {
      if (!isRun) list.seek(key, position);
      position.ascents = isAscent ? position.ascents + 1 : 0;
      this.#link(prepared, hash, position);
      return false;
    }
    // Where keys are there already, their hashes find them sooner.
    position.ascents = 0;
    const words = this.#words;
    const old = words[node + POINTER];
    readPointer(words, old, previous);
    this.versions.beginChange(hash);
    // Releases the new pointer's words to a reader that loads this word.
    Atomics.store(words, node + POINTER, words[prepared + POINTER]);
    this.versions.endChange(hash);
    this.arena.retire(old, POINTER_WORDS, RECORD);
    this.#hash.release(hash);
    list.free(prepared);
    return true;
  }

  /**
   * Moves a key to another pointer if it still has the one given: compaction's
   * step. Writer only.
   *
   * @throws {IndexFullError} If there is no room; nothing has changed then.
   */
  move(key: Uint8Array, from: LogPointer, to: LogPointer): boolean {
    const node = this.#hash.find(this.#key.pack(key));
    if (node === 0) return false;
    const words = this.#words;
    const old = words[node + POINTER];
    if (!pointsTo(words, old, from)) return false;
    // No new version: the value stays, so nobody need look again. Releases the
    // new pointer's words, as in publish().
    Atomics.store(words, node + POINTER, this.#makePointer(to, true));
    this.arena.retire(old, POINTER_WORDS, RECORD);
    return true;
  }

  /**
   * Removes a key. Writer only.
   *
   * @param position Where {@linkcode load} ended, if it goes on after this.
   * @returns Whether the key was there; then `previous` is what it had.
   */
  remove(
    key: Uint8Array,
    previous: LogPointer,
    position = this.#position,
  ): boolean {
    const packed = this.#key.pack(key);
    const node = this.#list.seek(packed, position);
    if (node === 0 || !this.#list.equals(node, packed)) return false;
    const pointer = this.#words[node + POINTER];
    readPointer(this.#words, pointer, previous);
    const { hash } = packed;
    this.versions.beginChange(hash);
    this.#hash.remove(hash, node);
    this.#list.unlink(node, position);
    this.versions.endChange(hash);
    this.arena.retire(pointer, POINTER_WORDS, RECORD);
    return true;
  }

  /** Begins a run of {@linkcode load}, in which nobody else looks at the map. */
  beginLoading(): void {
    if (this.size === 0) this.#hash.defer();
  }

  /** Ends what {@linkcode beginLoading} began. */
  endLoading(): void {
    this.#hash.build();
  }

  /**
   * Sets a key's pointer unless it has one with a greater sequence number, while
   * the store is being opened and nobody else looks at the map.
   *
   * @param position Where the last change ended: keys in ascending order need no
   * search from the head.
   * @returns What it did; `previous` is what the key had, if it was there.
   * @throws {IndexFullError} If there is no room.
   */
  load(
    key: Uint8Array,
    pointer: LogPointer,
    previous: LogPointer,
    position: Position,
  ): LoadOutcome {
    const packed = this.#key.pack(key);
    const node = this.#seekOnwards(packed, position);
    if (node === 0) {
      const made = this.#makeNode(packed, pointer, true);
      this.#link(made, packed.hash, position);
      return "inserted";
    }
    const old = this.#words[node + POINTER];
    readPointer(this.#words, old, previous);
    if (previous.sequence > pointer.sequence) return "older";
    writePointer(this.#words, old, pointer);
    return "replaced";
  }

  /**
   * Reads entries in key order, without a lock: see `entries.ts`. It returns
   * fewer than `limit` only at the end; the limit, at least 1, bounds how long
   * memory is not reused.
   */
  page(limit: number, range: EntryRange = {}): Entry[] {
    return this.#entries.page(limit, range);
  }

  /** Like {@linkcode page}, but from the end on, greater keys first. */
  pageBackwards(
    limit: number,
    range: Omit<EntryRange, "after"> = {},
  ): Entry[] {
    return this.#entries.pageBackwards(limit, range);
  }

  /** The node with a key, or 0. */
  #seekOnwards(key: PackedKey, position: Position): number {
    const node = this.#list.seekOnwards(key, position);
    return node !== 0 && this.#list.equals(node, key) ? node : 0;
  }

  #link(node: number, hash: number, position: Position): void {
    // First, so that a key that a run of entries has shown is found here too.
    this.#hash.insert(hash, node);
    this.#list.link(node, position);
  }

  #makeNode(
    key: PackedKey,
    pointer: LogPointer,
    useReserve: boolean,
  ): number {
    this.#hash.reserve(key.hash, useReserve);
    let stored = 0;
    try {
      stored = this.#makePointer(pointer, useReserve);
      return this.#list.make(key, stored, useReserve);
    } catch (error) {
      this.#hash.release(key.hash);
      if (stored !== 0) this.arena.free(stored, POINTER_WORDS, RECORD);
      throw error;
    }
  }

  #makePointer(pointer: LogPointer, useReserve: boolean): number {
    const stored = this.arena.allocate(POINTER_WORDS, useReserve, RECORD);
    writePointer(this.#words, stored, pointer);
    return stored;
  }
}
