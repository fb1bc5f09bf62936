/**
 * Memory for the index: an allocator inside one SharedArrayBuffer, with
 * epoch-based reclamation of what readers may still be looking at.
 *
 * @module
 */

/** The index has no room for another key. */
export class IndexFullError extends Error {
  override name = "IndexFullError";

  /** @param limitBytes The size of the index, in bytes. */
  constructor(limitBytes: number) {
    super(
      `Index is full at ${limitBytes} bytes; remove keys, or open the store with a larger index (--index-size)`,
    );
  }
}

// The first words of the buffer. `docs/design.md` has the whole map.
const EPOCH = 2;
const TOP = 3;
const USED_WORDS = 4;
const RETIRED_SINCE_ADVANCE = 5;
const READER_SLOTS_USED = 6;
/** Words 8 to 15 belong to whoever uses the arena. */
export const USER_WORDS = 8;
/** Heads of the lists of retired blocks, by epoch modulo three. */
const LIMBO = 16;
const FREE_LISTS = 32;

const EXACT_CLASSES = 64;
const CLASSES = EXACT_CLASSES + 4 * 26;

const READER_SLOTS = 256;
/** One slot to a cache line, so that readers do not slow each other down. */
const SLOT_WORDS = 16;
const READERS = FREE_LISTS + 256;
const FIRST_BLOCK = READERS + READER_SLOTS * SLOT_WORDS;

/** A reader's slot: the epoch it reads in plus one; zero while it reads not. */
const SLOT_EPOCH = 0;
const SLOT_OWNED = 1;

/** Words before the payload of each block: link, size class. */
const BLOCK_HEADER = 2;

/** Retired blocks after which the writer looks whether some can be freed. */
const ADVANCE_AFTER = 64;

/** The most an index can hold: offsets are 32-bit counts of 32-bit words. */
const MAX_BYTES = 2 ** 34;

/**
 * Blocks of 32-bit words in shared memory, named by their word offset; offset
 * zero is no block.
 *
 * Allocation is for one writer at a time, who holds the store's write lock.
 * Any number of readers look at blocks between {@linkcode pin} and
 * {@linkcode unpin} without a lock. A block that readers can reach is given
 * back with {@linkcode retire}: it is reused only when every reader that was
 * reading at that time is done (epoch-based reclamation: Fraser, "Practical
 * lock-freedom", 2004, as in crossbeam).
 */
export class Arena {
  /** The whole buffer. */
  readonly words: Uint32Array;
  readonly buffer: SharedArrayBuffer;
  #slot = 0;

  private constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.words = new Uint32Array(buffer);
  }

  /**
   * Makes an empty arena.
   *
   * @param sizeBytes From 64 KiB to 16 GiB; memory is committed at first use.
   * @returns The arena, with a reader slot of its own.
   */
  static create(sizeBytes: number): Arena {
    if (!(sizeBytes >= 65_536 && sizeBytes <= MAX_BYTES)) {
      throw new RangeError(
        `Index size must be from 65536 to ${MAX_BYTES} bytes, found ${sizeBytes}`,
      );
    }
    const arena = new Arena(new SharedArrayBuffer(sizeBytes - sizeBytes % 4));
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
   * `topWords` words are already in place. Forgets that arena's readers.
   */
  adoptContent(): void {
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
   * @param payloadWords Its size, in words.
   * @param useReserve Whether it may take the last sixteenth of the arena,
   * which is kept for what does not make the index larger.
   * @returns The offset of its first payload word.
   * @throws {IndexFullError} If there is no room.
   */
  allocate(payloadWords: number, useReserve = false): number {
    const words = this.words;
    const sizeClass = classOf(payloadWords);
    const sizeWords = BLOCK_HEADER + classWords(sizeClass);
    const limit = useReserve
      ? words.length
      : words.length - (words.length >>> 4);
    let block = words[FREE_LISTS + sizeClass];
    if (block === 0 && words[TOP] + sizeWords > limit) {
      // Three epochs on, everything retired so far is free.
      for (let i = 0; i < 3; i++) this.#advance();
      block = words[FREE_LISTS + sizeClass];
      if (block === 0) throw new IndexFullError(this.buffer.byteLength);
    }
    if (block !== 0) {
      words[FREE_LISTS + sizeClass] = words[block];
    } else {
      block = words[TOP];
      words[TOP] = block + sizeWords;
      words[block + 1] = sizeClass;
    }
    words[USED_WORDS] += sizeWords;
    return block + BLOCK_HEADER;
  }

  /**
   * Frees a block that no reader can have seen.
   *
   * @param offset What {@linkcode allocate} returned.
   */
  free(offset: number): void {
    const words = this.words;
    const block = offset - BLOCK_HEADER;
    const sizeClass = words[block + 1];
    words[block] = words[FREE_LISTS + sizeClass];
    words[FREE_LISTS + sizeClass] = block;
    words[USED_WORDS] -= BLOCK_HEADER + classWords(sizeClass);
  }

  /**
   * Frees a block once no reader can see it any more. It must be unreachable
   * for readers that begin from now on; its payload stays untouched till then.
   *
   * @param offset What {@linkcode allocate} returned.
   */
  retire(offset: number): void {
    const words = this.words;
    const block = offset - BLOCK_HEADER;
    const limbo = LIMBO + words[EPOCH] % 3;
    words[block] = words[limbo];
    words[limbo] = block;
    if (++words[RETIRED_SINCE_ADVANCE] >= ADVANCE_AFTER) this.#advance();
  }

  /** Moves to the next epoch if every reader has arrived in this one. */
  #advance(): void {
    const words = this.words;
    words[RETIRED_SINCE_ADVANCE] = 0;
    const epoch = words[EPOCH];
    const slots = Atomics.load(words, READER_SLOTS_USED);
    for (let i = 0; i < slots; i++) {
      const pinned = Atomics.load(words, READERS + i * SLOT_WORDS + SLOT_EPOCH);
      if (pinned !== 0 && pinned !== epoch + 1) return;
    }
    // Wraps at a multiple of three, so that `% 3` goes on in step.
    const next = epoch === 0xffff_fffe - 2 ? 0 : epoch + 1;
    Atomics.store(words, EPOCH, next);
    // A reader may still be in this epoch or the one being entered. What was
    // retired in the epoch before this one was out of reach for both.
    const limbo = LIMBO + (next + 1) % 3;
    let block = words[limbo];
    words[limbo] = 0;
    while (block !== 0) {
      const link = words[block];
      this.free(block + BLOCK_HEADER);
      block = link;
    }
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
function classOf(payloadWords: number): number {
  if (payloadWords <= EXACT_CLASSES) return payloadWords - 1;
  const doubling = 31 - Math.clz32(payloadWords - 1);
  const quarter = ((payloadWords - 1) >>> (doubling - 2)) & 3;
  return EXACT_CLASSES + (doubling - 6) * 4 + quarter;
}

function classWords(sizeClass: number): number {
  if (sizeClass < EXACT_CLASSES) return sizeClass + 1;
  const doubling = ((sizeClass - EXACT_CLASSES) >>> 2) + 6;
  const quarter = (sizeClass - EXACT_CLASSES) & 3;
  return 2 ** doubling + (quarter + 1) * 2 ** (doubling - 2);
}

if (CLASSES > READERS - FREE_LISTS) {
  throw new Error("The size classes do not fit before the reader slots");
}
