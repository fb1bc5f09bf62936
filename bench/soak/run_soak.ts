/**
 * A soak: load, trouble, and a look at the servers now and then.
 *
 * @module
 */

import { SoakClient, type SoakTally } from "./client.ts";
import type { SoakOptions } from "./options.ts";
import { type SoakSample, SoakServer } from "./server.ts";

/** Small files and caches, so that all of it happens often. */
const ARGS: readonly string[] = [
  ...["--segment-size", "512K", "--compact-at", "2M", "--cache-size", "4M"],
  ...["--index-size", "64M"],
];

/** How many samples to take, but not more often than so many seconds. */
const SAMPLES = 400;
const MIN_SAMPLE_S = 0.25;

/** How many restarts to have, but not more often than so many seconds. */
const RESTARTS = 40;
const MIN_RESTART_S = 3;

/** How many compactions to ask for, beside those that start by themselves. */
const COMPACTIONS = 10;

/** What was seen of one server. */
export interface SoakServerResult {
  readonly samples: readonly SoakSample[];
  /** When it was ended, in seconds since the beginning. */
  readonly restartsS: readonly number[];
}

/** What came of a soak. */
export interface SoakResult {
  /** The server that ran on. */
  readonly steady: SoakServerResult;
  /** The one that was restarted and killed. */
  readonly troubled: SoakServerResult;
  readonly tally: SoakTally;
}

/** Soaks two servers. */
export async function runSoak(
  options: SoakOptions,
  root: string,
  report: (line: string) => void,
): Promise<SoakResult> {
  const { durationS, clients, engine, pool, threads, sync } = options;
  const tally: SoakTally = { answered: 0, lost: 0, wrong: [] };
  const plan = { engine, pool, threads, sync, args: ARGS };
  await using steady = new SoakServer({ ...plan, dir: `${root}/steady` });
  await using troubled = new SoakServer({ ...plan, dir: `${root}/troubled` });
  await Promise.all([steady.addr(), troubled.addr()]);
  const beganMs = performance.now();
  const nowS = () => (performance.now() - beganMs) / 1e3;
  const isOver = () => nowS() >= durationS;
  const every = async (intervalS: number, act: () => Promise<void>) => {
    for (let n = 1; !isOver(); n++) {
      const waitMs = Math.max(0, n * intervalS - nowS()) * 1e3;
      await new Promise((resolve) => setTimeout(resolve, waitMs));
      if (!isOver()) await act();
    }
  };
  const watched = (server: SoakServer) => {
    const samples: SoakSample[] = [];
    const intervalS = Math.max(MIN_SAMPLE_S, durationS / SAMPLES);
    const watching = every(intervalS, async () => {
      const sample = await server.sample(nowS());
      if (sample !== undefined) samples.push(sample);
    });
    return { samples, watching };
  };
  const loaded = (server: SoakServer, name: string, seed: number) =>
    Array.from(
      { length: clients },
      (_, i) =>
        new SoakClient(`${name}${i}`, seed + i, tally)
          .run(() => server.addr(), isOver),
    );
  const restartsS: number[] = [];
  const [ofSteady, ofTroubled] = [watched(steady), watched(troubled)];
  await Promise.all([
    ofSteady.watching,
    ofTroubled.watching,
    ...loaded(steady, "s", options.seed),
    ...loaded(troubled, "t", options.seed + clients),
    every(durationS / COMPACTIONS, async () => {
      await Promise.all([steady.compact(), troubled.compact()]);
    }),
    every(Math.max(MIN_RESTART_S, durationS / RESTARTS), async () => {
      restartsS.push(nowS());
      await troubled.restart(restartsS.length % 2 === 0 ? "stop" : "kill");
    }),
    every(Math.max(durationS / 20, 5), () => {
      report(
        `${
          Math.round(nowS())
        } s: ${tally.answered} answers, ${tally.wrong.length} wrong; ${restartsS.length} restarts`,
      );
      return Promise.resolve();
    }),
  ]);
  return {
    steady: { samples: ofSteady.samples, restartsS: [] },
    troubled: { samples: ofTroubled.samples, restartsS },
    tally,
  };
}
