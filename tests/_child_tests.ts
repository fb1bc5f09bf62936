/**
 * Tests in a process of their own, whose output shows only if one of them
 * fails: the runtime prints an error for each Worker that dies, even where the
 * death is part of the test.
 *
 * @module
 */

import { packageFlags } from "../bench/support/deno_flags.ts";
import { within } from "./_deadline.ts";

/** Longer than the waits of single tests, whose errors say more. */
const CHILD_DEADLINE_MS = 300_000;

/** Options of {@linkcode testsInChild} and {@linkcode runTests}. */
export interface ChildTestsOptions {
  /**
   * Whether to ignore the tests.
   *
   * @default {false}
   */
  readonly ignore?: boolean;
  /**
   * How long they may take together, in milliseconds.
   *
   * @default {300_000}
   */
  readonly deadlineMs?: number;
}

/**
 * Registers one test that runs all tests of a module in a process of its own.
 *
 * @param module The module; `deno test` must not find it by its name.
 * @param options Whether to ignore it, and how long it may take.
 */
export function testsInChild(
  module: URL,
  { ignore = false, deadlineMs }: ChildTestsOptions = {},
): void {
  Deno.test({
    name: `${nameOf(module)} passes in a process of its own`,
    ignore,
    fn: () => runTests(module, { deadlineMs }),
  });
}

/**
 * Runs all tests of a module in a process of its own.
 *
 * @param module The module.
 * @param options How long it may take.
 * @throws {Error} If a test fails, none passes, or they take too long; the
 * message has all that the process printed.
 */
export async function runTests(
  module: URL,
  { deadlineMs = CHILD_DEADLINE_MS }: Omit<ChildTestsOptions, "ignore"> = {},
): Promise<void> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--no-check", ...packageFlags(), module.href],
    cwd: new URL("../", import.meta.url),
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.output();
  let problem: string | undefined;
  try {
    await within(`the tests of ${nameOf(module)}`, output, deadlineMs);
  } catch (error) {
    problem = String(error);
    child.kill("SIGKILL");
  }
  const { code, stdout, stderr } = await output;
  const [printed, errors] = [stdout, stderr].map((bytes) =>
    new TextDecoder().decode(bytes)
  );
  if (code !== 0) problem ??= `${nameOf(module)} failed with code ${code}`;
  // A module without tests ends with code 0.
  if (!/\b[1-9]\d* passed\b/.test(printed)) {
    problem ??= `No test of ${nameOf(module)} passed`;
  }
  if (problem !== undefined) {
    throw new Error(`${problem}\nstdout:\n${printed}\nstderr:\n${errors}`);
  }
}

function nameOf(module: URL): string {
  return module.pathname.slice(module.pathname.lastIndexOf("/") + 1);
}
