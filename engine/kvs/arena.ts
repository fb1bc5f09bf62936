/**
 * Memory for the index: an allocator inside one SharedArrayBuffer, with
 * epoch-based reclamation of what readers may still be looking at.
 *
 * @module
 */

/** The index has no room for another key. */
export class IndexFullError extends Error {
  /** The class's name. */
  override name = "IndexFullError";

  /**
   * Makes the error.
   *
   * @param limitBytes The size of the index, in bytes.
   */
  constructor(limitBytes: number) {
    super(
      `Index is full at ${limitBytes} bytes; remove keys, or open the store with a larger index (--index-size)`,
    );
  }
}

// The first words of the buffer. `docs/design.md` has the whole map.
/** The epoch in which a wait for readers timed out, plus one; or zero. */
const STUCK = 1;
const EPOCH = 2;
const TOP = 3;
const USED_WORDS = 4;
const READER_SLOTS_USED = 5;
const RETIRED_FIRST = 6;
const RETIRED_COUNT = 7;
/** Words 8 to 15 belong to whoever uses the arena. */
export const USER_WORDS = 8;
const FREE_LISTS = 16;

const EXACT_CLASSES = 64;
const CLASSES = EXACT_CLASSES + 4 * 26;

// What is left of a large block that small ones are cut from, and whether there
// may be another such block in the free lists.
const REST = FREE_LISTS + CLASSES;
const REST_WORDS = REST + 1;
const HAS_LARGE = REST + 2;

const READER_SLOTS = 256;
/** One slot to a cache line, so that readers do not slow each other down. */
const SLOT_WORDS = 16;
const READERS = 256;

/** A reader's slot: the epoch it reads in plus one; zero while it reads not. */
const SLOT_EPOCH = 0;
const SLOT_OWNED = 1;

/** A ring of blocks that wait to be free: offset, size, epoch. */
const RETIRED = READERS + READER_SLOTS * SLOT_WORDS;
const RETIRED_CAPACITY = 8_192;
const RETIRED_ENTRY = 3;

const FIRST_BLOCK = RETIRED + RETIRED_CAPACITY * RETIRED_ENTRY;

/** Retired blocks after which the writer looks whether some can be freed. */
const ADVANCE_AFTER = 64;

/** How long a writer with a full ring waits for readers, in milliseconds. */
const READERS_TIMEOUT_MS = 1_000;

/** Words behind all blocks, which the size of the arena does not count. */
const TRANSIENT_WORDS = 2 ** 14;

/** Plus one it still fits in a word. */
const LAST_EPOCH = 0xffff_fffe;

/** The least an index can be, in bytes. */
const MIN_BYTES = 2 ** 18;

/** The most an index can hold: offsets are 32-bit counts of 32-bit words. */
const MAX_BYTES = 2 ** 34;

/**
 * Blocks of 32-bit words in shared memory, named by their word offset; offset
 * zero is no block. A block has no header: whoever gives it back knows its
 * size.
 *
 * Allocation is for one writer at a time, who holds the store's write lock.
 * Any number of readers look at blocks between {@linkcode pin} and
 * {@linkcode unpin} without a lock. A block that readers can reach is given
 * back with {@linkcode retire}: it is reused only when every reader that was
 * reading at that time is done (epoch-based reclamation: Fraser, "Practical
 * lock-freedom", 2004, as in crossbeam).
 */
export class Arena {
  /** All but the transient ones. */
  readonly words: Uint32Array;
  /**
   * Words behind all blocks, a power of two of them, at first zero: for what no
   * snapshot keeps. They come on top of the arena's size.
   */
  readonly transient: Uint32Array;
  readonly buffer: SharedArrayBuffer;
  #slot = 0;

  private constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    const transientAt = buffer.byteLength - TRANSIENT_WORDS * 4;
    this.words = new Uint32Array(buffer, 0, transientAt / 4);
    this.transient = new Uint32Array(buffer, transientAt);
  }

  /**
   * Makes an empty arena.
   *
   * @param sizeBytes From 256 KiB to 16 GiB; memory is committed at first use.
   * @returns The arena, with a reader slot of its own.
   */
  static create(sizeBytes: number): Arena {
    if (!(sizeBytes >= MIN_BYTES && sizeBytes <= MAX_BYTES)) {
      throw new RangeError(
        `Index size must be from ${MIN_BYTES} to ${MAX_BYTES} bytes, found ${sizeBytes}`,
      );
    }
    const arena = new Arena(
      new SharedArrayBuffer(sizeBytes - sizeBytes % 4 + TRANSIENT_WORDS * 4),
    );
    arena.words[TOP] = FIRST_BLOCK;
    arena.words[USED_WORDS] = FIRST_BLOCK;
    arena.#claimSlot();
    return arena;
  }

  /**
   * Attaches to an arena made by another thread.
   *
   * @param buffer The other arena's `buffer`.
   * @returns The arena, with a reader slot of its own.
   * @throws {Error} If 256 readers are attached already.
   */
  static attach(buffer: SharedArrayBuffer): Arena {
    const arena = new Arena(buffer);
    arena.#claimSlot();
    return arena;
  }

  /** Words in use: allocated, or retired and not yet free. */
  get usedWords(): number {
    return this.words[USED_WORDS];
  }

  /** Words from the start of the buffer that have ever been used. */
  get topWords(): number {
    return this.words[TOP];
  }

  /**
   * Takes over the content of another arena, as a snapshot kept it: the first
   * `topWords` words are already in place. Forgets that arena's readers, and
   * frees what was kept for them.
   */
  adoptContent(): void {
    while (this.words[RETIRED_COUNT] > 0) this.#freeOldest();
    this.words.fill(0, READERS, FIRST_BLOCK);
    this.words[READER_SLOTS_USED] = 0;
    this.#claimSlot();
  }

  /** Gives the reader slot back; this instance must not be used again. */
  detach(): void {
    Atomics.store(this.words, this.#slot + SLOT_EPOCH, 0);
    Atomics.store(this.words, this.#slot + SLOT_OWNED, 0);
  }

  /**
   * Begins reading: blocks reachable from now on stay as they are until
   * {@linkcode unpin}. Not nested.
   */
  pin(): void {
    // The store must come before the reader's first load of a link, in the
    // one order all threads agree on: then either the writer that wants to
    // advance the epoch sees this reader, or this reader sees everything
    // unlinked before that. A stale epoch is harmless, it only delays.
    Atomics.store(
      this.words,
      this.#slot + SLOT_EPOCH,
      Atomics.load(this.words, EPOCH) + 1,
    );
  }

  /** Ends reading. */
  unpin(): void {
    Atomics.store(this.words, this.#slot + SLOT_EPOCH, 0);
  }

  /**
   * Allocates a block. Its content is whatever was there before.
   *
   * @param size Its size, in words.
   * @param useReserve Whether it may take the last sixteenth of the arena,
   * which is kept for what does not make the index larger.
   * @returns Its offset.
   * @throws {IndexFullError} If there is no room.
   */
  allocate(size: number, useReserve = false): number {
    const words = this.words;
    const sizeClass = classOf(size);
    const sizeWords = classWords(sizeClass);
    const limit = useReserve
      ? words.length
      : words.length - (words.length >>> 4);
    let block = this.#reuse(sizeClass, limit);
    if (block === 0 && words[TOP] + sizeWords > limit) {
      // Two epochs on, everything retired so far is free.
      this.#advance();
      this.#advance();
      block = this.#reuse(sizeClass, limit);
      if (block === 0) throw new IndexFullError(words.byteLength);
    }
    if (block === 0) {
      block = words[TOP];
      words[TOP] = block + sizeWords;
    }
    words[USED_WORDS] += sizeWords;
    return block;
  }

  /** A block that was in use before, or 0. */
  #reuse(sizeClass: number, limit: number): number {
    const words = this.words;
    const free = words[FREE_LISTS + sizeClass];
    if (free !== 0) {
      words[FREE_LISTS + sizeClass] = words[free];
      return free;
    }
    // A table that is replaced while the arena is full makes way for the next.
    if (sizeClass >= EXACT_CLASSES || words[TOP] > limit) return 0;
    const sizeWords = classWords(sizeClass);
    // Else the tables that an index has outgrown would lie idle for good.
    if (words[REST_WORDS] < sizeWords && !this.#nextRest()) return 0;
    const block = words[REST];
    words[REST] = block + sizeWords;
    words[REST_WORDS] -= sizeWords;
    return block;
  }

  /** Begins to cut up another large block, if there is one. */
  #nextRest(): boolean {
    const words = this.words;
    if (words[HAS_LARGE] === 0) return false;
    for (let i = EXACT_CLASSES; i < CLASSES; i++) {
      const block = words[FREE_LISTS + i];
      if (block === 0) continue;
      words[FREE_LISTS + i] = words[block];
      if (words[REST_WORDS] > 0) this.#list(words[REST], words[REST_WORDS] - 1);
      words[REST] = block;
      words[REST_WORDS] = classWords(i);
      return true;
    }
    words[HAS_LARGE] = 0;
    return false;
  }

  /** Puts a block into the list of its class. */
  #list(block: number, sizeClass: number): void {
    const words = this.words;
    words[block] = words[FREE_LISTS + sizeClass];
    words[FREE_LISTS + sizeClass] = block;
    if (sizeClass >= EXACT_CLASSES) words[HAS_LARGE] = 1;
  }

  /**
   * Frees a block that no reader can have seen.
   *
   * @param block What {@linkcode allocate} returned.
   * @param size The size it was asked for, in words.
   */
  free(block: number, size: number): void {
    const sizeClass = classOf(size);
    this.#list(block, sizeClass);
    this.words[USED_WORDS] -= classWords(sizeClass);
  }

  /**
   * Frees a block once no reader can see it any more. It must be unreachable
   * for readers that begin from now on; it stays untouched till then.
   *
   * @param block What {@linkcode allocate} returned.
   * @param size The size it was asked for, in words.
   */
  retire(block: number, size: number): void {
    const words = this.words;
    if (words[RETIRED_COUNT] === RETIRED_CAPACITY) this.#makeRoom();
    const place = (words[RETIRED_FIRST] + words[RETIRED_COUNT]) %
      RETIRED_CAPACITY;
    const entry = RETIRED + place * RETIRED_ENTRY;
    words[entry] = block;
    words[entry + 1] = size;
    words[entry + 2] = words[EPOCH];
    words[RETIRED_COUNT]++;
    if (words[RETIRED_COUNT] % ADVANCE_AFTER === 0) this.#advance();
  }

  /** Moves to the next epoch if every reader has arrived in this one. */
  #advance(): void {
    const words = this.words;
    const epoch = words[EPOCH];
    const slots = Atomics.load(words, READER_SLOTS_USED);
    for (let i = 0; i < slots; i++) {
      const pinned = Atomics.load(words, READERS + i * SLOT_WORDS + SLOT_EPOCH);
      if (pinned !== 0 && pinned !== epoch + 1) return;
    }
    const next = epoch === LAST_EPOCH ? 0 : epoch + 1;
    Atomics.store(words, EPOCH, next);
    // A reader may still be in this epoch or in the one being entered. What
    // was retired in the epoch before this one was out of reach for both.
    while (words[RETIRED_COUNT] > 0) {
      const entry = RETIRED + words[RETIRED_FIRST] * RETIRED_ENTRY;
      const retiredIn = words[entry + 2];
      if (retiredIn === epoch || retiredIn === next) return;
      this.#freeOldest();
    }
  }

  #freeOldest(): void {
    const entry = RETIRED + this.words[RETIRED_FIRST] * RETIRED_ENTRY;
    this.free(this.words[entry], this.words[entry + 1]);
    this.#forgetOldest();
  }

  #forgetOldest(): void {
    const words = this.words;
    words[RETIRED_FIRST] = (words[RETIRED_FIRST] + 1) % RETIRED_CAPACITY;
    words[RETIRED_COUNT]--;
  }

  /** Waits for readers to move on; the ring is full. */
  #makeRoom(): void {
    const words = this.words;
    const deadline = performance.now() + READERS_TIMEOUT_MS;
    for (;;) {
      this.#advance();
      if (words[RETIRED_COUNT] < RETIRED_CAPACITY) return;
      // Not again for a reader that was waited for in vain.
      if (words[STUCK] === words[EPOCH] + 1) break;
      if (performance.now() > deadline) words[STUCK] = words[EPOCH] + 1;
    }
    // A reader died while it was reading. Never reusing the block is sound; it
    // is lost until the store is opened anew.
    this.#forgetOldest();
  }

  #claimSlot(): void {
    for (let i = 0; i < READER_SLOTS; i++) {
      const slot = READERS + i * SLOT_WORDS;
      if (
        Atomics.compareExchange(this.words, slot + SLOT_OWNED, 0, 1) === 0
      ) {
        this.#slot = slot;
        // A maximum, by compare and exchange: others claim at the same time.
        for (;;) {
          const used = Atomics.load(this.words, READER_SLOTS_USED);
          if (
            used > i ||
            Atomics.compareExchange(
                this.words,
                READER_SLOTS_USED,
                used,
                i + 1,
              ) === used
          ) return;
        }
      }
    }
    throw new Error(
      `Cannot attach to the index: ${READER_SLOTS} readers are attached already`,
    );
  }
}

/**
 * Small blocks come in every size; larger ones in four sizes to a doubling,
 * which wastes a fifth at most.
 */
function classOf(size: number): number {
  if (size <= EXACT_CLASSES) return size - 1;
  const doubling = 31 - Math.clz32(size - 1);
  const quarter = ((size - 1) >>> (doubling - 2)) & 3;
  return EXACT_CLASSES + (doubling - 6) * 4 + quarter;
}

function classWords(sizeClass: number): number {
  if (sizeClass < EXACT_CLASSES) return sizeClass + 1;
  const doubling = ((sizeClass - EXACT_CLASSES) >>> 2) + 6;
  const quarter = (sizeClass - EXACT_CLASSES) & 3;
  return 2 ** doubling + (quarter + 1) * 2 ** (doubling - 2);
}

if (HAS_LARGE >= READERS) {
  throw new Error("The size classes do not fit before the reader slots");
}
