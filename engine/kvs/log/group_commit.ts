/**
 * Group commit: one fdatasync for all the writes that wait for one.
 *
 * @module
 */

import { openDirectory, openIfExists } from "../../files.ts";
import { WritesRefusedError } from "../../errors.ts";
import type { Control } from "./log.ts";
import { segmentPath } from "./segment.ts";
import { closeWhenIdle } from "./appender.ts";

/**
 * Syncs the log for this instance and, if others wait as well, for them.
 *
 * Of all instances, in whatever Workers, one leads: it notes the newest
 * append, syncs, and then everything up to that append is durable. Whoever
 * appended after that waits for the next round (leader and followers, as in
 * LevelDB's writer queue and in group commit since DeWitt et al. 1984).
 */
export class GroupCommit {
  readonly #directory: string;
  readonly #control: Control;
  /** This instance's part in the current round; its connections share it. */
  #round: Promise<void> | undefined;
  /** The active segment, once this instance has synced its directory entry. */
  #file: Deno.FsFile | undefined;
  #fileId = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  /**
   * @param directory The data directory.
   * @param control The store's shared state.
   */
  constructor(directory: string, control: Control) {
    this.#directory = directory;
    this.#control = control;
  }

  /**
   * Waits until an append is on disk. The event loop goes on meanwhile.
   *
   * @param ticket The append's ticket.
   * @throws {Error} If the disk did not take it; the store refuses writes then.
   */
  async wait(ticket: number): Promise<void> {
    while (!this.#control.isSynced(ticket)) {
      // After a failed fdatasync the kernel may have dropped the pages, and a
      // second one would say that all is well (Rebello et al. 2020).
      if (this.#control.hasFailedSync) {
        throw new WritesRefusedError(this.#control.refusal ?? "a sync failed");
      }
      this.#round ??= this.#takePart().finally(() => this.#round = undefined);
      await this.#round;
    }
  }

  async #takePart(): Promise<void> {
    const control = this.#control;
    // Lets the other connections of this turn of the event loop append first.
    await null;
    const rounds = control.syncLeadership;
    const round = rounds.current;
    if (!rounds.tryLead()) return await rounds.over(round);
    try {
      const ticket = control.appendedTicket;
      await this.#syncSegments();
      control.synced(ticket);
    } finally {
      rounds.end();
    }
  }

  async #syncSegments(): Promise<void> {
    const { sealed, active } = this.#control.unsyncedSegments();
    for (const id of sealed) {
      using file = this.#open(id);
      await this.#orRefuseWrites(id, () => file?.syncData());
    }
    this.#control.markSynced(sealed);
    if (this.#fileId !== active) {
      this.#closeFile();
      using names = openDirectory(this.#directory);
      this.#file = this.#open(active);
      if (this.#file === undefined) return;
      this.#timer = closeWhenIdle(() => this.#closeIfSealed());
      await this.#orRefuseWrites(active, () => names?.syncSync());
      this.#fileId = active;
    }
    await this.#orRefuseWrites(active, () => this.#file!.syncData());
  }

  /** Opens a segment; `undefined` where it has been compacted away. */
  #open(id: number): Deno.FsFile | undefined {
    // Where it is gone, compaction has synced what lived in it, and what
    // overwrote the rest.
    return openIfExists(segmentPath(this.#directory, id));
  }

  /** Does what must not be tried again if it fails. */
  async #orRefuseWrites(
    id: number,
    sync: () => void | Promise<void>,
  ): Promise<void> {
    try {
      await sync();
    } catch (error) {
      throw this.#control.syncFailed(segmentPath(this.#directory, id), error);
    }
  }

  /** Closes the file, once a sync that is under way is over. */
  async close(): Promise<void> {
    await this.#round?.catch(() => {});
    this.#closeFile();
  }

  #closeIfSealed(): void {
    if (this.#round !== undefined) return;
    if (this.#fileId !== this.#control.activeSegment) this.#closeFile();
  }

  #closeFile(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#file?.close();
    this.#file = undefined;
    this.#fileId = 0;
  }
}
