/**
 * What a soak says in the end.
 *
 * @module
 */

import { drawTimes, type Point } from "../report/time_chart.ts";
import { type Flatness, flatnessOf, type Tolerance } from "./flatness.ts";
import type { SoakOptions } from "./options.ts";
import type { SoakResult, SoakServerResult } from "./run_soak.ts";
import type { SoakSample } from "./server.ts";

const MEBIBYTE = 2 ** 20;

/** One of the things that must stop growing. */
interface Watched {
  readonly name: string;
  readonly unit: string;
  /** How many of what is sampled make one of the unit. */
  readonly scale: number;
  readonly of: (sample: SoakSample) => number | undefined;
  readonly tolerance: Tolerance;
}

const WATCHED: readonly Watched[] = [
  {
    name: "memory",
    unit: "MiB",
    scale: MEBIBYTE,
    of: (sample) => sample.rssBytes,
    tolerance: { share: 0.1, slack: 8 },
  },
  {
    name: "open files",
    unit: "",
    scale: 1,
    of: (sample) => sample.openFiles,
    tolerance: { share: 0.05, slack: 3 },
  },
  {
    name: "disk",
    unit: "MiB",
    scale: MEBIBYTE,
    of: (sample) => sample.diskBytes,
    tolerance: { share: 0.25, slack: 4 },
  },
  {
    name: "live data",
    unit: "MiB",
    scale: MEBIBYTE,
    of: (sample) => sample.liveBytes,
    tolerance: { share: 0.1, slack: 0.25 },
  },
];

const SERVERS = ["steady", "troubled"] as const;

/** What was found out about one thing of one server. */
export interface Verdict extends Flatness {
  readonly server: (typeof SERVERS)[number];
  readonly what: string;
  readonly unit: string;
}

/** Says of everything whether it has stopped growing. */
export function verdictsOf(
  result: SoakResult,
  durationS: number,
): Verdict[] {
  return SERVERS.flatMap((server) =>
    WATCHED.flatMap(({ name, unit, scale, of, tolerance }) => {
      const points = result[server].samples.flatMap((sample) => {
        const value = of(sample);
        return value === undefined
          ? []
          : [[sample.timeS, value / scale] as const];
      });
      // What the engine does not know is not watched.
      if (points.length === 0 && result[server].samples.length > 0) return [];
      const flatness = flatnessOf(points, durationS, tolerance);
      return [{ server, what: name, unit, ...flatness }];
    })
  );
}

/** A verdict in a line. */
export function spellVerdict(verdict: Verdict): string {
  const { server, what, unit, middle, last, limit, isFlat } = verdict;
  const spell = (value: number) =>
    `${Number(value.toPrecision(4))}${unit && ` ${unit}`}`;
  return `${isFlat ? "flat " : "GROWS"} ${server.padEnd(8)} ${
    what.padEnd(10)
  } ${spell(middle)} in the middle third, ${spell(last)} in the last; at most ${
    spell(limit)
  }`;
}

/** Draws what was seen. */
export function soakChart(result: SoakResult, options: SoakOptions): string {
  const { durationS, engine, pool, sync, seed } = options;
  const servers = SERVERS.map((name) => result[name]);
  const line = (
    { samples }: SoakServerResult,
    of: (sample: SoakSample) => number | undefined,
    scale: number,
  ): Point[] =>
    samples.map((sample) => {
      const value = of(sample);
      return [sample.timeS, value === undefined ? undefined : value / scale];
    });
  const row = (
    label: string,
    scale: number,
    series: Readonly<
      Record<string, (sample: SoakSample) => number | undefined>
    >,
  ) => ({
    label,
    series: Object.keys(series),
    panels: servers.map((server) =>
      Object.values(series).map((of) => line(server, of, scale))
    ),
  });
  return drawTimes({
    title: "What servers take over time",
    note:
      `${result.tally.answered} answers, ${result.tally.wrong.length} of them wrong; ` +
      `engine ${engine}, pool ${pool}, sync ${sync}, seed ${seed}; ` +
      "marks: kill -9 and SIGTERM by turns",
    columns: ["a server that runs on", "one that is killed and restarted"],
    durationS,
    marks: servers.map(({ restartsS }) => restartsS),
    rows: [
      row("memory, MiB", MEBIBYTE, { rss: (sample) => sample.rssBytes }),
      row("open files and connections", 1, {
        files: (sample) => sample.openFiles,
      }),
      row("disk space, MiB", MEBIBYTE, {
        "in all": (sample) => sample.diskBytes,
        live: (sample) => sample.liveBytes,
        dead: (sample) => sample.deadBytes,
      }),
      row("keys", 1, { keys: (sample) => sample.keys }),
    ],
  });
}
