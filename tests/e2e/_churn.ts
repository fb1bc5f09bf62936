/**
 * Writing to a server while it compacts, in an order that tells whether what
 * somebody finds of it is of one moment.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { KvsClient } from "../../client.ts";
import { kvs, ServerProcess } from "./_kvs.ts";

const KEYS = 300;

/** Between two rounds, so that there are some in the time of a compaction. */
const PAUSE_MS = 100;

/** The keys that are written, in order. */
export const keys: readonly string[] = Array.from(
  { length: KEYS },
  (_, i) => `k${1_000 + i}`,
);

/** A value of a round: large enough to fill segments. */
export function valueOf(round: number): string {
  return `${round} ${"x".repeat(400)}`;
}

/** A server whose store is written and compacted until it is told to stop. */
export class Churn implements AsyncDisposable {
  /** Where the server listens. */
  readonly addr: string;
  /** The last round of which every write is acknowledged. */
  acknowledgedRound = 0;
  /** How many compactions have come to their end. */
  compactions = 0;
  readonly #server: ServerProcess;
  readonly #running: Promise<unknown>;
  #isOver = false;

  private constructor(server: ServerProcess) {
    this.#server = server;
    this.addr = server.addr;
    this.#running = Promise.all([this.#write(), this.#compact()]);
  }

  /**
   * Starts a server with small segments, and sets all keys to round 0.
   *
   * @param dir Its data directory.
   */
  static async start(dir: string): Promise<Churn> {
    const server = await ServerProcess.start(
      ...["--dir", dir, "--segment-size", "32K", "--compact-at", "32K"],
      ...["--sync", "no"],
    );
    await using client = await KvsClient.connect(server.addr);
    await Promise.all(keys.map((key) => client.set(key, valueOf(0))));
    return new Churn(server);
  }

  /** Ends the writing after the round that is going on. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#running;
  }

  /** Ends the writing, and the server. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop().finally(() => this.#server[Symbol.asyncDispose]());
  }

  async #write(): Promise<void> {
    await using client = await KvsClient.connect(this.addr);
    for (let round = 1; !this.#isOver; round++) {
      // All but the last key are removed before they are set again, so that
      // tombstones come and go.
      await Promise.all(keys.flatMap((key, i) => [
        ...(i < KEYS - 1 ? [client.remove(key)] : []),
        client.set(key, valueOf(round)),
      ]));
      this.acknowledgedRound = round;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  async #compact(): Promise<void> {
    await using client = await KvsClient.connect(this.addr);
    while (!this.#isOver) {
      await client.compact();
      this.compactions++;
    }
  }
}

/**
 * Exports until the store has been seen to change thrice, and a compaction has
 * come and gone, and checks that each export is of one moment, and no earlier
 * than what came before it.
 *
 * @param churn Changes the store.
 * @param source The arguments that say where it is.
 * @param onRound Called with the round that an export is of.
 */
export async function exportMoments(
  churn: Churn,
  source: readonly string[],
  onRound: (round: number) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  let lastRound = 0;
  let changes = 0;
  const { compactions } = churn;
  const isOver = () => changes >= 3 && churn.compactions > compactions;
  for (let tries = 0; !isOver(); tries++) {
    assert(tries < 50, `Only ${changes} changes in ${tries} tries`);
    const { acknowledgedRound } = churn;
    const exported = await kvs(["export", ...source]);
    assertEquals([exported.code, exported.stderr], [0, ""]);
    const round = roundOf(exported.stdout);
    assert(round >= acknowledgedRound, `${round} after ${acknowledgedRound}`);
    assert(round >= lastRound, `Round ${round} after ${lastRound}`);
    if (round > lastRound) changes++;
    lastRound = round;
    await onRound(round);
  }
}

/**
 * Checks that lines of JSON are all pairs of one moment: there is one place in
 * the keys up to which they have the value of a round, where one may be
 * missing, and behind which they have that of the round before.
 *
 * @param lines What `kvs export` printed.
 * @returns The round.
 */
export function roundOf(lines: string): number {
  const pairs: { key: string; value: string }[] = lines.trim().split("\n")
    .map((line) => JSON.parse(line));
  const found = new Map(pairs.map(({ key, value }) => [key, value]));
  assertEquals(found.size, pairs.length);
  assert(found.size >= KEYS - 1, `Only ${found.size} keys`);
  const round = parseInt(found.get(keys[0]) ?? found.get(keys[1])!) +
    (found.has(keys[0]) ? 0 : 1);
  let place = keys.findIndex((key) => found.get(key) !== valueOf(round));
  if (place < 0) place = KEYS;
  const behind = keys.slice(found.has(keys[place]) ? place : place + 1);
  for (const key of behind) assertEquals(found.get(key), valueOf(round - 1));
  return round;
}
