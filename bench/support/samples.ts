/**
 * Samples on their way to results.
 *
 * @module
 */

import { type Spread, spreadOf } from "./spread.ts";
import type { Sample } from "./workload.ts";

/**
 * What several runs of one case gave: medians of the runs, but for the load
 * generator's share of its time, which is the greatest of any.
 */
export interface Result extends Omit<Sample, "ratePerS"> {
  /** Requests that were answered, to a second. */
  readonly ratePerS: Spread;
}

/** Samples, gathered by the case that they are of. */
export class Samples<Case> {
  readonly #byCase = new Map<
    string,
    { readonly of: Case; readonly samples: Sample[] }
  >();

  /** Adds a sample. */
  add(of: Case, sample: Sample): void {
    const key = JSON.stringify(of);
    const known = this.#byCase.get(key);
    if (known === undefined) this.#byCase.set(key, { of, samples: [sample] });
    else known.samples.push(sample);
  }

  /** For each case what its samples gave, in the order of their first ones. */
  results(): (Case & Result)[] {
    return Array.from(this.#byCase.values(), ({ of, samples }) => {
      const median = (pick: (sample: Sample) => number) =>
        rounded(spreadOf(samples.map(pick)).median);
      const rate = spreadOf(samples.map((sample) => sample.ratePerS));
      return {
        ...of,
        ratePerS: {
          median: Math.round(rate.median),
          min: Math.round(rate.min),
          max: Math.round(rate.max),
        },
        p50Us: median((sample) => sample.p50Us),
        p99Us: median((sample) => sample.p99Us),
        p999Us: median((sample) => sample.p999Us),
        cpuUs: median((sample) => sample.cpuUs),
        generatorBusy: rounded(
          Math.max(...samples.map((sample) => sample.generatorBusy)),
        ),
      };
    });
  }
}

/** To three significant digits, which is more than they are worth. */
function rounded(value: number): number {
  return Number(value.toPrecision(3));
}
