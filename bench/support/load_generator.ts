/**
 * The load generator, as the benchmarks use it.
 *
 * @module
 */

import type { LoadPlan, LoadResult } from "../load/plan.ts";
import { modulePath } from "./deno_flags.ts";
import { linesOf } from "./lines.ts";

const encoder = new TextEncoder();

/** The load generator's process, ended after an `await using` block. */
export class LoadGenerator implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #plans: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #results: AsyncGenerator<string>;

  /** Starts it. */
  constructor() {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--no-config", "--allow-ffi", "--allow-read"],
        modulePath("../load/main.ts", import.meta.url),
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#plans = this.#child.stdin.getWriter();
    this.#results = linesOf(this.#child.stdout);
  }

  /** Runs a plan. */
  async run(plan: LoadPlan): Promise<LoadResult> {
    await this.#plans.write(encoder.encode(`${JSON.stringify(plan)}\n`));
    const { value } = await this.#results.next();
    if (value === undefined) throw new Error("The load generator has ended");
    const result: LoadResult | { readonly error: string } = JSON.parse(value);
    if ("error" in result) throw new Error(result.error);
    return result;
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#plans.close();
    await this.#child.status;
  }
}
