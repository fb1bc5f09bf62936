/**
 * Each command with standard streams that are no terminal: pipes, closed ones,
 * one that nobody reads, one on a full disk.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { commandLine, inTime, kvs, type Result } from "./_kvs.ts";
import { assertLines, type Trial, TRIALS, withTrial } from "./_trials.ts";

/** How a shell runs a command, and what of its output can be seen then. */
interface Streams {
  readonly redirect: string;
  readonly shows: readonly ("stdout" | "stderr")[];
}

const STREAMS: Readonly<Record<string, Streams>> = {
  "pipes": { redirect: "", shows: ["stdout", "stderr"] },
  "closed input": { redirect: "<&-", shows: ["stdout", "stderr"] },
  "closed output": { redirect: ">&-", shows: ["stderr"] },
  "closed errors": { redirect: "2>&-", shows: ["stdout"] },
};

/** Linux and FreeBSD have a file that behaves like a full disk. */
const HAS_FULL_DISK = ["linux", "freebsd"].includes(Deno.build.os);

/** Runs a command to its end, which SIGINT is where it has none of its own. */
async function run(
  args: readonly string[],
  redirect: string,
  { type }: Trial,
): Promise<Result> {
  const child = new Deno.Command("sh", {
    args: ["-c", `exec "$@" ${redirect}`, "sh", ...commandLine(args)],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stdout = new Response(child.stdout).text();
  let stderr = "";
  let isEnded = type === undefined;
  const reading = (async () => {
    for await (
      const text of child.stderr.pipeThrough(new TextDecoderStream())
    ) {
      stderr += text;
      if (isEnded || !stderr.includes(type?.after ?? "")) continue;
      isEnded = true;
      child.kill("SIGINT");
    }
  })();
  const { code } = await inTime(
    `the end of kvs ${args.join(" ")} ${redirect}`,
    child.status,
    child,
  );
  await reading;
  return { code, stdout: await stdout, stderr };
}

for (const [name, trial] of Object.entries(TRIALS)) {
  const { lines, complains = false, code = 0, type } = trial;
  const prints = lines.length > 0 && !complains;

  Deno.test(`kvs ${name} keeps to its output with pipes and closed streams`, () =>
    withTrial(name, async (args) => {
      for (const [streams, { redirect, shows }] of Object.entries(STREAMS)) {
        // What does not end by itself is ended when it has said something.
        if (type !== undefined && !shows.includes("stderr")) continue;
        const result = await run(args, redirect, trial);
        assertEquals(result.code, code, `${streams}: ${result.stderr}`);
        for (const stream of shows) {
          const isUsed = stream === (complains ? "stderr" : "stdout");
          if (isUsed && lines.length > 0) {
            assertLines(result[stream].split("\n"), trial);
          } else assertEquals(result[stream], "", streams);
        }
      }
    }));

  if (type !== undefined) continue;

  Deno.test(`kvs ${name} is quiet if nobody reads, and says that a disk is full`, () =>
    withTrial(name, async (args) => {
      const left = await kvs(args, { closeStdout: true });
      assertEquals(left.code, code);
      if (!complains) assertEquals(left.stderr, "");
      if (!HAS_FULL_DISK) return;
      const full = await run(args, ">/dev/full", trial);
      if (!prints) {
        assertEquals(full.code, code, full.stderr);
        return;
      }
      assertEquals(full, {
        code: 1,
        stdout: "",
        stderr:
          "error: Cannot write output: No space left on device (os error 28)\n",
      });
    }));
}
