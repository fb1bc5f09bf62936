/**
 * Data directories, filled once and copied for each server that needs one.
 *
 * @module
 */

import type { EngineName } from "../../engine/engine.ts";
import type { DataSet } from "../load/plan.ts";
import { ChildServer } from "./child_server.ts";
import type { LoadGenerator } from "./load_generator.ts";
import { fill } from "./workload.ts";

/** How long an engine gets to tidy up after a fill, in milliseconds. */
const SETTLE_MS = 2_500;

/** A directory for everything that benchmarks write; removed at the end. */
export class DataDirs implements Disposable {
  /** Where it is. */
  readonly root: string;
  readonly #generator: LoadGenerator;
  #count = 0;

  /** Makes it. */
  constructor(generator: LoadGenerator, dir?: string) {
    this.root = Deno.makeTempDirSync({ dir, prefix: "kvs-bench-" });
    this.#generator = generator;
  }

  /** Makes an empty directory. */
  empty(): string {
    const path = `${this.root}/${this.#count++}`;
    Deno.mkdirSync(path);
    return path;
  }

  /** Makes a store that holds a data set. */
  async filled(engine: EngineName, data: DataSet): Promise<string> {
    const dir = this.empty();
    await using server = await ChildServer.startKvs({
      dir,
      engine,
      pool: "reuse-port",
      threads: 1,
      sync: "no",
    });
    await fill(this.#generator, server, "json", data);
    // An engine may go on in the background, and its files are to be at rest.
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    return dir;
  }

  /** Copies a store that nobody has open. */
  copy(from: string): string {
    const to = this.empty();
    copyFiles(from, to);
    return to;
  }

  /** Removes a directory that this made. */
  remove(path: string): void {
    Deno.removeSync(path, { recursive: true });
  }

  /** Removes everything. */
  [Symbol.dispose](): void {
    this.remove(this.root);
  }
}

function copyFiles(from: string, to: string): void {
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    const source = `${from}/${name}`;
    const target = `${to}/${name}`;
    if (isDirectory) {
      Deno.mkdirSync(target);
      copyFiles(source, target);
    } else {
      Deno.copyFileSync(source, target);
    }
  }
}
