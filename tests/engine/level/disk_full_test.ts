import { assert, assertEquals, assertRejects } from "@std/assert";
import type { KvsEngine } from "../../../engine/engine.ts";
import { attachEngine, openEngine } from "../../../engine/open.ts";
import { testOnSmallDisk } from "../_small_disk.ts";

const DISK_BYTES = 16 * 2 ** 20;

/** Sets keys, and remembers those that were acknowledged. */
async function setAll(
  engine: KvsEngine,
  acknowledged: Map<string, string>,
  prefix: string,
  value: string,
): Promise<Error[]> {
  const failures: Error[] = [];
  for (let n = 0; n < 100; n++) {
    try {
      await engine.set(`${prefix}${n}`, `${value}${n}`);
      acknowledged.set(`${prefix}${n}`, `${value}${n}`);
    } catch (error) {
      failures.push(error as Error);
    }
  }
  return failures;
}

for (const sync of ["always", "no"] as const) {
  testOnSmallDisk(
    `LevelEngine keeps all that it acknowledges on a disk that was full (${sync})`,
    DISK_BYTES,
    async (disk) => {
      const acknowledged = new Map<string, string>();
      const failures: string[] = [];
      const onFailure = ({ message }: Error) => failures.push(message);
      const opener = await openEngine(disk.directory, {
        engine: "level",
        create: true,
        sync,
        onFailure,
      });
      const attached = await attachEngine(opener.share(), onFailure);
      assertEquals(await setAll(opener, acknowledged, "before", "v"), []);
      disk.fillUp(0);
      const { message } = await assertRejects(
        async () => await attached.set("large", "x".repeat(100_000)),
        Error,
        "No space left on device",
      );
      const reason = `write to LevelDB failed: ${message}`;
      const refusal =
        `Writes are disabled until the store is opened again: ${reason}`;
      assertEquals(failures, [refusal]);
      disk.empty();
      for (const engine of [opener, attached]) {
        const refused = await setAll(engine, acknowledged, "after", "w");
        assertEquals(refused.length, 100);
        for (const error of refused) assertEquals(error.message, refusal);
        assertEquals((await engine.stats()).writesRefused, reason);
        assertEquals(await engine.get("before7"), "v7");
      }
      assertEquals(failures.length, 1);
      await attached.close();
      await opener.close();

      const again = await openEngine(disk.directory);
      assertEquals((await again.stats()).writesRefused, undefined);
      assertEquals(await setAll(again, acknowledged, "again", "x"), []);
      await again.close();
      const last = await openEngine(disk.directory);
      for (const [key, value] of acknowledged) {
        assertEquals(await last.get(key), value, key);
      }
      await last.close();
    },
  );
}

testOnSmallDisk(
  "LevelEngine.close() rejects if what was acknowledged cannot be synced",
  DISK_BYTES,
  async (disk) => {
    const opener = await openEngine(disk.directory, {
      engine: "level",
      create: true,
      sync: "no",
    });
    const attached = await attachEngine(opener.share(), () => {});
    await attached.set("k", "v");
    disk.fillUp(0);
    // A page of the log has some room yet.
    for (let n = 0;; n++) {
      assert(n < 1_000, "the disk never got full");
      const [outcome] = await attached.write([
        { key: new Uint8Array(40), value: new Uint8Array(40) },
      ]);
      if (outcome instanceof Error) break;
    }
    for (const engine of [attached, opener]) {
      await assertRejects(
        async () => await engine.close(),
        Error,
        "Cannot sync LevelDB's log: IO error",
      );
    }
    disk.empty();
    const again = await openEngine(disk.directory);
    assertEquals(await again.get("k"), "v");
    await again.close();
  },
);
