import { assertEquals, assertRejects } from "@std/assert";
import {
  formatBytesProgress,
  formatProgress,
  withProgress,
} from "../../cli/progress.ts";

Deno.test("formatProgress() tells the rate, and the time that is left", () => {
  const show = (time: number, pairs: number, done: number, total: number) =>
    formatProgress({ time, progressBar: "#--" }, { pairs, done, total });
  assertEquals(show(0, 0, 0, 0), "0 pairs, 0/s");
  assertEquals(show(2_000, 10, 900, 0), "10 pairs, 5/s");
  assertEquals(show(0, 0, 0, 500), "[#--] 0 pairs, 0/s");
  assertEquals(
    show(2_000, 10, 100, 500),
    "[#--] 10 pairs, 5/s, 00:08 left",
  );
  assertEquals(
    show(30_000, 3_000_000, 1, 5),
    "[#--] 3000000 pairs, 100000/s, 02:00 left",
  );
  // A file may have grown meanwhile.
  assertEquals(show(1_000, 7, 6, 5), "[#--] 7 pairs, 7/s, 00:00 left");
});

Deno.test("withProgress() returns what it ran for, and fails as that does", async () => {
  assertEquals(
    await withProgress((progress) => {
      assertEquals(progress, { pairs: 0, done: 0, total: 0 });
      return Promise.resolve(7);
    }, { isShown: false }),
    7,
  );
  await assertRejects(
    () =>
      withProgress(() => Promise.reject(new Error("no disk")), {
        isShown: false,
      }),
    Error,
    "no disk",
  );
});

Deno.test("formatBytesProgress() tells how much is done, and the time that is left", () => {
  const show = (time: number, done: number, total: number) =>
    formatBytesProgress({ time, progressBar: "#--" }, {
      pairs: 0,
      done,
      total,
    });
  assertEquals(show(0, 0, 0), "[#--]");
  assertEquals(show(0, 0, 2_048), "[#--] 0 bytes of 2.0 KiB");
  assertEquals(
    show(2_000, 2 ** 20, 5 * 2 ** 20),
    "[#--] 1.0 MiB of 5.0 MiB, 00:08 left",
  );
});
