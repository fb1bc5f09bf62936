/**
 * What a soak says in the end.
 *
 * @module
 */

import {
  drawChart,
  LIMIT_COLOR,
  NUMBER_FORMAT,
  SERIES_COLORS,
} from "../report/chart.ts";
import { type Flatness, flatnessOf, type Tolerance } from "./flatness.ts";
import type { SoakOptions } from "./options.ts";
import type { SoakResult } from "./run_soak.ts";
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

/** Draws what was seen; both servers have one scale. */
export function soakChart(
  result: SoakResult,
  options: SoakOptions,
): Promise<string> {
  const { durationS, engine, pool, sync, seed } = options;
  const columns = {
    steady: "a server that runs on",
    troubled: "one that is killed and restarted",
  };
  const rows: [
    label: string,
    scale: number,
    lines: Record<string, (sample: SoakSample) => number | undefined>,
  ][] = [
    ["memory, MiB", MEBIBYTE, { rss: ({ rssBytes }) => rssBytes }],
    ["open files and connections", 1, { files: ({ openFiles }) => openFiles }],
    ["disk space, MiB", MEBIBYTE, {
      "in all": ({ diskBytes }) => diskBytes,
      live: ({ liveBytes }) => liveBytes,
      dead: ({ deadBytes }) => deadBytes,
    }],
    ["keys", 1, { keys: ({ keys }) => keys }],
  ];
  const pointsOf = (
    server: typeof SERVERS[number],
    scale: number,
    lines: typeof rows[number][2],
  ) =>
    Object.entries(lines).flatMap(([line, of]) => {
      const { samples, restartsS } = result[server];
      return samples.map((sample) => ({
        server: columns[server],
        line,
        minutes: sample.timeS / 60,
        value: (of(sample) ?? NaN) / scale,
        // No line goes over a restart.
        restarts: restartsS.filter((timeS) => timeS < sample.timeS).length,
      }));
    });
  const marks = SERVERS.flatMap((server) =>
    result[server].restartsS.map((timeS) => ({
      server: columns[server],
      minutes: timeS / 60,
      isMark: true,
    }))
  );
  const x = {
    field: "minutes",
    type: "quantitative",
    scale: { domain: [0, durationS / 60], nice: false },
  };
  return drawChart({
    title: {
      text: "What servers take over time",
      subtitle:
        `${result.tally.answered} answers, ${result.tally.wrong.length} of them wrong; ` +
        `engine ${engine}, pool ${pool}, sync ${sync}, seed ${seed}; ` +
        "marks: kill -9 and SIGTERM by turns",
    },
    vconcat: rows.map(([title, scale, lines]) => ({
      title,
      data: {
        values: [
          ...marks,
          ...SERVERS.flatMap((server) => pointsOf(server, scale, lines)),
        ],
      },
      facet: {
        column: { field: "server", title: null, sort: Object.values(columns) },
      },
      spec: {
        width: 400,
        height: 120,
        layer: [
          {
            transform: [{ filter: "!datum.isMark" }],
            mark: {
              type: "line",
              strokeWidth: 1.5,
              invalid: "break-paths-filter-domains",
            },
            encoding: {
              x,
              y: {
                field: "value",
                type: "quantitative",
                title: null,
                axis: { format: NUMBER_FORMAT, tickCount: 4 },
                scale: { zero: true },
              },
              color: {
                field: "line",
                scale: {
                  domain: Object.keys(lines),
                  range: SERIES_COLORS.slice(0, Object.keys(lines).length),
                },
                legend: Object.keys(lines).length > 1
                  ? { title: null, orient: "top" }
                  : null,
              },
              detail: { field: "restarts" },
            },
          },
          {
            transform: [{ filter: "datum.isMark" }],
            mark: { type: "tick", size: 6, color: LIMIT_COLOR },
            encoding: { x, y: { value: "height" } },
          },
        ],
      },
      resolve: { scale: { color: "independent" } },
    })),
    resolve: { scale: { color: "independent" } },
  });
}
