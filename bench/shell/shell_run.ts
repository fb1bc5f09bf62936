/**
 * Runs of `kvs import` and `kvs export`.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { LineFormat } from "../../cli/pairs/pair_parser.ts";
import { ChildServer } from "../support/child_server.ts";
import { kvsArgs } from "../support/deno_flags.ts";
import { type Spread, spreadOf } from "../support/spread.ts";
import { FORMATS, type Order, ORDERS, writePairs } from "./pair_files.ts";

/** Where the pairs are kept: the files themselves, or a server. */
export const TARGETS = ["--dir", "--addr"] as const;

/** One of them. */
export type Target = typeof TARGETS[number];

/** What is run. */
export interface ShellCase {
  readonly command: "import" | "export";
  readonly target: Target;
  /** In which order the keys were imported. */
  readonly order: Order;
  readonly format: LineFormat;
}

/** What it gave. */
export interface ShellResult extends ShellCase {
  /** Pairs by the second, of the command's whole wall time. */
  readonly pairsPerS: Spread;
}

/** Runs the commands on files and stores in a directory of its own. */
export class ShellRun {
  readonly #root: string;
  readonly #pairs: number;
  readonly #rates = new Map<string, { of: ShellCase; pairsPerS: number[] }>();

  /** Writes the files to import. */
  constructor(root: string, pairs: number) {
    this.#root = root;
    this.#pairs = pairs;
    for (const order of ORDERS) {
      for (const format of FORMATS) {
        writePairs(this.#file(order, format), pairs, order, format);
      }
    }
  }

  /** Runs everything once. */
  async round(report: (line: string) => void): Promise<void> {
    for (const target of TARGETS) {
      for (const order of ORDERS) {
        // What reading the one or the other takes shows without a server.
        const formats = target === "--dir" ? FORMATS : FORMATS.slice(0, 1);
        for (const format of formats) {
          report(`${target}, ${order} order, ${format}`);
          await this.#importAndExport(target, order, format);
        }
      }
    }
  }

  /** What all rounds together gave. */
  results(): ShellResult[] {
    return Array.from(this.#rates.values(), ({ of, pairsPerS }) => ({
      ...of,
      pairsPerS: spreadOf(pairsPerS),
    }));
  }

  async #importAndExport(
    target: Target,
    order: Order,
    format: LineFormat,
  ): Promise<void> {
    const dir = `${this.#root}/store`;
    Deno.mkdirSync(dir);
    await using server = target === "--dir"
      ? undefined
      : await ChildServer.startKvs({
        dir,
        engine: "kvs",
        pool: "reuse-port",
        threads: 1,
        sync: "always",
      });
    const where = server === undefined
      ? ["--dir", dir]
      : ["--addr", `127.0.0.1:${server.port}`];
    const file = this.#file(order, format);
    const of = { target, order, format } as const;
    await this.#time({ ...of, command: "import" }, [file, ...where]);
    // There is one format of an export.
    if (format === "json") {
      await this.#time({ ...of, command: "export" }, where);
      this.#checkExport();
    }
    await server?.stop();
    Deno.removeSync(dir, { recursive: true });
  }

  async #time(of: ShellCase, args: readonly string[]): Promise<void> {
    const startMs = performance.now();
    // Into a file, as a shell does it: a pipe would have to be read meanwhile.
    const { success, stderr } = await new Deno.Command("sh", {
      args: [
        ...["-c", `exec "$0" "$@" > "$OUTPUT"`, Deno.execPath()],
        ...kvsArgs([of.command, ...args]),
      ],
      env: { OUTPUT: this.#output },
      stdin: "null",
    }).output();
    const elapsedMs = performance.now() - startMs;
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    const key = JSON.stringify(of);
    const known = this.#rates.get(key) ?? { of, pairsPerS: [] };
    known.pairsPerS.push(Math.round(this.#pairs / elapsedMs * 1e3));
    this.#rates.set(key, known);
  }

  /** An export is all pairs in the order of their keys, however they came. */
  #checkExport(): void {
    const expected = Deno.readFileSync(this.#file("sorted", "json"));
    const found = Deno.readFileSync(this.#output);
    if (Buffer.compare(expected, found) !== 0) {
      throw new Error("The export is not what was imported");
    }
  }

  #file(order: Order, format: LineFormat): string {
    return `${this.#root}/${order}.${format}`;
  }

  get #output(): string {
    return `${this.#root}/output`;
  }
}
