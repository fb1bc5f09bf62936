import { assertEquals } from "@std/assert";
import { underLimit } from "../_descriptors.ts";

// In a process of its own: the limit is the process's, and so is the panic.
Deno.test({
  name: "startWorker() refuses where the runtime would abort the process",
  ignore: Deno.build.os === "windows",
  async fn() {
    const { code, stdout, stderr } = await underLimit(
      96,
      new URL("./_scarce_workers.ts", import.meta.url),
    );
    assertEquals([code, stderr], [0, ""]);
    // By the number of descriptors that were left to it, from 0.
    const outcomes: string[] = JSON.parse(stdout);
    assertEquals(outcomes.length, 24);
    outcomes.forEach((outcome, free) => {
      assertEquals(
        outcome,
        free < 16
          ? `Cannot start a Worker: only ${free} file descriptors are free, 16 are needed (see "ulimit -n")`
          : "started",
        `${free} free`,
      );
    });
  },
});
