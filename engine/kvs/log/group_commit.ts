/**
 * Group commit: one fdatasync for all the writes that wait for one.
 *
 * @module
 */

import { openDirectory, openIfExists } from "../../files.ts";
import { WritesRefusedError } from "../../errors.ts";
import { Leadership, LEADERSHIP_WORDS } from "../../sync/leadership.ts";
import type { Holder } from "../../sync/instance_lock.ts";
import type { SharedMutex } from "../../sync/shared_mutex.ts";
import { closeWhenIdle } from "./appender.ts";
import type { Refusal } from "./refusal.ts";
import { segmentPath } from "./segment.ts";
import {
  COPIED,
  SEALED,
  type SegmentTable,
  UNSYNCED,
} from "./segment_table.ts";

// Words of shared memory. The first two are 64-bit integers.
const APPENDED = 0;
const SYNCED = 1;
const TICKETS_WORDS = 4;
const LEADER = TICKETS_WORDS;

/** Words of shared memory that a {@linkcode GroupCommit} takes. */
export const GROUP_COMMIT_WORDS = TICKETS_WORDS + LEADERSHIP_WORDS;

/** How long another instance's sync is waited for, in ms. */
const MAX_ROUND_MS = 30_000;

/** What a {@linkcode GroupCommit} works on. */
export interface GroupCommitOptions {
  /** The data directory. */
  readonly directory: string;
  /** Who leads, and who else may. */
  readonly holder: Holder;
  /** The write lock. */
  readonly lock: SharedMutex;
  readonly segments: SegmentTable;
  readonly refusal: Refusal;
}

/**
 * Syncs the log for this instance and, if others wait as well, for them.
 *
 * Each append has a ticket: the sequence number of its last record. Of all
 * instances, in whatever Workers, one leads: it notes the newest ticket, syncs,
 * and then everything up to that ticket is durable. Appends that came after
 * that wait for the next round (leader and followers, as in LevelDB's writer
 * queue and in group commit since DeWitt et al. 1984).
 */
export class GroupCommit {
  /** One instance syncs for all. */
  readonly leadership: Leadership;
  readonly #directory: string;
  readonly #lock: SharedMutex;
  readonly #segments: SegmentTable;
  readonly #refusal: Refusal;
  readonly #tickets: BigInt64Array;
  /** This instance's part in the current round; its connections share it. */
  #round: Promise<void> | undefined;
  /** The active segment, once this instance has synced its directory entry. */
  #file: Deno.FsFile | undefined;
  #fileId = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  /**
   * @param words Shared memory.
   * @param at The first of its {@linkcode GROUP_COMMIT_WORDS} words, even.
   * @param options See {@linkcode GroupCommitOptions}.
   */
  constructor(
    words: Int32Array,
    at: number,
    { directory, holder, lock, segments, refusal }: GroupCommitOptions,
  ) {
    this.#directory = directory;
    this.#lock = lock;
    this.#segments = segments;
    this.#refusal = refusal;
    const start = words.byteOffset + at * 4;
    this.#tickets = new BigInt64Array(words.buffer, start, 2);
    this.leadership = new Leadership(words, at + LEADER, holder);
  }

  /** The ticket of the newest append. */
  get ticket(): number {
    return Number(Atomics.load(this.#tickets, APPENDED));
  }

  /** Notes an append, which the segment table knows already. Lock held. */
  appended(ticket: number): void {
    // A leader that reads the ticket syncs the file with these bytes in it.
    Atomics.store(this.#tickets, APPENDED, BigInt(ticket));
  }

  /** Whether the append with this ticket has been synced. */
  isSynced(ticket: number): boolean {
    return Number(Atomics.load(this.#tickets, SYNCED)) >= ticket;
  }

  /**
   * Waits until an append is on disk. The event loop goes on meanwhile.
   *
   * @param ticket The append's ticket.
   * @throws {Error} If the disk did not take it; the store refuses writes then.
   */
  async wait(ticket: number): Promise<void> {
    while (!this.isSynced(ticket)) {
      // Another sync would not tell what became of the pages.
      this.#assertNoFailedSync();
      this.#round ??= this.#takePart().finally(() => this.#round = undefined);
      await this.#round;
    }
  }

  /**
   * Syncs what was appended, in this thread, where nobody waits for a sync: the
   * leader of a round may have failed just now and not said so yet, and this
   * thread would find nothing wrong.
   *
   * @throws {Error} If the disk fails; then writes are refused.
   */
  syncNow(): void {
    const { ticket } = this;
    if (this.#refusal.hasFailedSync || this.isSynced(ticket)) return;
    this.#syncAppends();
    this.#synced(ticket);
  }

  /**
   * Syncs the whole log in this thread: what was appended, and the copies that
   * compaction made. Not while another thread compacts. It is not for those
   * that wait for a sync, and tells them nothing.
   *
   * @throws {WritesRefusedError} If a sync failed, this one or the one that was
   * under way beside it.
   * @throws {Error} If the disk fails; then writes are refused.
   */
  syncAll(): void {
    const copies = this.unsyncedCopies();
    for (const id of copies) this.#syncSegment(id);
    this.#syncAppends();
    // The kernel tells one of two syncs of a failure: it may have been the
    // other, whose thread has not heard of it yet.
    if (!this.leadership.waitForEnd(MAX_ROUND_MS)) {
      throw new Error(
        `Cannot tell what is on disk: another sync has taken ${MAX_ROUND_MS} ms`,
      );
    }
    this.#assertNoFailedSync();
    this.#lock.locked(() => {
      for (const id of copies) {
        if (this.#segments.has(id)) this.#segments.setFlags(id, 0, COPIED);
      }
    });
  }

  /** The segments with copies that may not be on disk. */
  unsyncedCopies(): number[] {
    return this.#lock.locked(() => this.#segments.list())
      .filter(({ flags }) => flags & COPIED)
      .map(({ id }) => id);
  }

  /** Closes the file, once a sync that is under way is over. */
  async close(): Promise<void> {
    await this.#round?.catch(() => {});
    this.#closeFile();
  }

  #assertNoFailedSync(): void {
    if (!this.#refusal.hasFailedSync) return;
    throw new WritesRefusedError(this.#refusal.reason ?? "a sync failed");
  }

  async #takePart(): Promise<void> {
    // Lets the other connections of this turn of the event loop append first.
    await null;
    const { leadership } = this;
    const term = leadership.term;
    if (!leadership.tryLead()) return await leadership.ended(term);
    try {
      const { ticket } = this;
      await this.#syncAppendsAsync();
      this.#synced(ticket);
    } finally {
      leadership.resign();
    }
  }

  async #syncAppendsAsync(): Promise<void> {
    const { sealed, active } = this.#unsynced();
    for (const id of sealed) {
      using file = this.#open(id);
      await this.#orRefuse(this.#pathOf(id), () => file?.syncData());
    }
    this.#markSynced(sealed);
    const path = this.#pathOf(active);
    if (this.#fileId !== active) {
      this.#closeFile();
      using names = openDirectory(this.#directory);
      this.#file = this.#open(active);
      if (this.#file === undefined) return;
      this.#timer = closeWhenIdle(() => this.#closeIfSealed());
      await this.#orRefuse(path, () => names?.syncSync());
      this.#fileId = active;
    }
    await this.#orRefuse(path, () => this.#file!.syncData());
  }

  #syncAppends(): void {
    const { sealed, active } = this.#unsynced();
    for (const id of active === 0 ? sealed : [...sealed, active]) {
      this.#syncSegment(id);
    }
    using names = openDirectory(this.#directory);
    this.#orRefuseNow(this.#directory, () => names?.syncSync());
    this.#markSynced(sealed);
  }

  #syncSegment(id: number): void {
    using file = this.#open(id);
    this.#orRefuseNow(this.#pathOf(id), () => file?.syncDataSync());
  }

  /**
   * The segments whose last appends may not be on disk: sealed ones, and the
   * active one, which is always named, or 0 where there is none.
   */
  #unsynced(): { sealed: number[]; active: number } {
    // In this order, so that no append is missed: see hasSealedUnsynced.
    const { active } = this.#segments;
    if (!this.#segments.hasSealedUnsynced) return { sealed: [], active };
    return this.#lock.locked(() => ({
      sealed: this.#segments.list()
        .filter(({ flags }) => flags & SEALED && flags & UNSYNCED)
        .map(({ id }) => id),
      active: this.#segments.active,
    }));
  }

  #markSynced(sealed: readonly number[]): void {
    if (sealed.length === 0) return;
    this.#lock.locked(() =>
      sealed.forEach((id) => this.#segments.clearUnsynced(id))
    );
  }

  /** Notes that all appends up to this ticket are synced. */
  #synced(ticket: number): void {
    const tickets = this.#tickets;
    const next = BigInt(ticket);
    for (;;) {
      const known = Atomics.load(tickets, SYNCED);
      if (known >= next) return;
      const found = Atomics.compareExchange(tickets, SYNCED, known, next);
      if (found === known) return;
    }
  }

  /** Opens a segment; `undefined` where it has been compacted away. */
  #open(id: number): Deno.FsFile | undefined {
    // Where it is gone, compaction has synced what lived in it, and what
    // overwrote the rest.
    return openIfExists(this.#pathOf(id));
  }

  #pathOf(id: number): string {
    return segmentPath(this.#directory, id);
  }

  async #orRefuse(
    path: string,
    sync: () => void | Promise<void>,
  ): Promise<void> {
    try {
      await sync();
    } catch (error) {
      throw this.#refusal.syncFailed(path, error);
    }
  }

  #orRefuseNow(path: string, sync: () => void): void {
    try {
      sync();
    } catch (error) {
      throw this.#refusal.syncFailed(path, error);
    }
  }

  #closeIfSealed(): void {
    if (this.#round !== undefined) return;
    if (this.#fileId !== this.#segments.active) this.#closeFile();
  }

  #closeFile(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#file?.close();
    this.#file = undefined;
    this.#fileId = 0;
  }
}
