/**
 * Tests of commands that need a store, with each engine, behind a server and
 * on disk.
 *
 * @module
 */

import { ENGINE_NAMES } from "../../engine/directory.ts";
import { kvs, ServerProcess } from "./_kvs.ts";

/** Where the store of a test is. */
export interface TestTarget {
  /** The arguments that say so. */
  readonly target: readonly string[];
  /** The test's own directory. */
  readonly root: string;
}

/**
 * Runs a test with a directory for its files.
 *
 * @param name The test's name.
 * @param body The test.
 */
export function test(
  name: string,
  body: (root: string) => Promise<void>,
): void {
  Deno.test(name, async () => {
    const root = Deno.makeTempDirSync({ prefix: "kvs_e2e_" });
    try {
      await body(root);
    } finally {
      Deno.removeSync(root, { recursive: true });
    }
  });
}

/**
 * Runs a test with each engine, once with a server and once without.
 *
 * @param name The test's name, to which the target is added.
 * @param body The test; its `run` adds the target to a command.
 * @param engines The engines that make a difference.
 */
export function testTargets(
  name: string,
  body: (run: typeof kvs, target: TestTarget) => Promise<void>,
  engines = ENGINE_NAMES,
): void {
  for (const engine of engines) {
    const dirOf = (root: string) => {
      Deno.mkdirSync(`${root}/data`);
      Deno.writeTextFileSync(`${root}/data/ENGINE`, `${engine} 1\n`);
      return `${root}/data`;
    };
    const bodyWith = (root: string, ...target: string[]) =>
      body((args, options) => kvs([...args, ...target], options), {
        target,
        root,
      });
    test(`${name} (${engine}, --addr)`, async (root) => {
      await using server = await ServerProcess.start("--dir", dirOf(root));
      await bodyWith(root, "--addr", server.addr);
    });
    test(
      `${name} (${engine}, --dir)`,
      (root) => bodyWith(root, "--dir", dirOf(root)),
    );
  }
}
