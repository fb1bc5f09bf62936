import { assert, assertEquals } from "@std/assert";
import { underLimit } from "../_descriptors.ts";

// In processes of their own: the limit is the process's, and so is the panic.

async function outcomes(...args: number[]): Promise<string[]> {
  const module = new URL("./_scarce_workers.ts", import.meta.url);
  const { code, stdout, stderr } = await underLimit(
    96,
    module,
    ...args.map(String),
  ).output();
  const decoder = new TextDecoder();
  assertEquals([code, decoder.decode(stderr)], [0, ""]);
  return JSON.parse(decoder.decode(stdout));
}

const ignore = Deno.build.os === "windows";

Deno.test({
  name: "startWorker() refuses where the runtime would abort the process",
  ignore,
  async fn() {
    // By the number of descriptors that were left to it, from 0.
    const found = await outcomes();
    assertEquals(found.length, 24);
    found.forEach((outcome, free) => {
      assertEquals(
        outcome,
        free < 16
          ? `Cannot start a Worker: only ${free} file descriptors are free, 16 are needed (see "ulimit -n")`
          : "started",
      );
    });
  },
});

Deno.test({
  name: "startWorker() reckons with Workers that are just being started",
  ignore,
  async fn() {
    // Enough for each of them, and not for all.
    const found = await outcomes(6, 30);
    const started = found.filter((outcome) => outcome === "started").length;
    assert(started >= 1 && started <= 2, `${started} were started`);
    assertEquals(found.length, 6);
    assert(
      found.slice(started).every((outcome) =>
        outcome.startsWith("Cannot start a Worker: only ")
      ),
      found.join("\n"),
    );
  },
});
