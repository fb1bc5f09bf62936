import { assert, assertEquals, assertRejects } from "@std/assert";
import { until, within } from "./_deadline.ts";
import { KvsClient } from "../client.ts";
import { ENGINE_NAMES } from "../engine/directory.ts";
import type { PoolStrategy } from "../pool/pool.ts";
import { removedAndRead } from "./_removed_and_read.ts";
import { withEngine } from "./_server.ts";

const TOO_MANY = "Too many snapshots are open, the limit is 2";

/** Takes a snapshot as soon as another connection's has gone. */
async function takeWhenFree(client: KvsClient): Promise<void> {
  await until("a snapshot to be free", async () => {
    try {
      await client.snapshot();
      return true;
    } catch (error) {
      assert(error instanceof Error && error.message === TOO_MANY, `${error}`);
      return false;
    }
  });
}

/** To snapshots all job pools are alike: the main thread has them. */
const POOLS: readonly PoolStrategy[] = ["reuse-port", "shared-queue"];

for (const pool of POOLS) {
  for (const engineName of ENGINE_NAMES) {
    Deno.test(`KvsServer shows a connection its snapshot (${pool}, ${engineName})`, (t) =>
      withEngine(async (engine, start, dir) => {
        await using server = await start({ pool });
        const clients = await Promise.all(
          Array.from({ length: 4 }, () => KvsClient.connect(server.addr)),
        );
        const [writer, one, two, three] = clients;
        const valuesOf = async (client: KvsClient) =>
          (await Array.fromAsync(client.scan())).map(([, value]) => value);

        await t.step("with all that was acknowledged before", async () => {
          const keys = Array.from({ length: 2_500 }, (_, i) => `k${i}`);
          await Promise.all(keys.map((key) => writer.set(key, "1")));
          await one.snapshot();
          const late = keys.map((key, i) =>
            i % 2 === 0 ? writer.remove(key) : writer.set(key, "2")
          );
          await Promise.all([...late, writer.set("late", "2")]);
          await writer.compact();
          assertEquals(await valuesOf(one), Array(2_500).fill("1"));
          assertEquals(await valuesOf(two), Array(1_251).fill("2"));
          assertEquals(await one.get("late"), "2");
          assertEquals((await Array.fromAsync(one.keys())).length, 2_500);
        });

        await t.step("with what is in front of it in one write", async () => {
          const [, , , before, , after] = await Promise.all([
            two.set("a", "1"),
            two.snapshot(),
            two.set("a", "2"),
            two.scanPage({ prefix: "a" }),
            two.releaseSnapshot(),
            two.scanPage({ prefix: "a" }),
          ]);
          assertEquals(before.entries, [["a", "1"]]);
          assertEquals(after.entries, [["a", "2"]]);
        });

        await t.step("but no more than there may be", async () => {
          await two.snapshot();
          await assertRejects(() => three.snapshot(), Error, TOO_MANY);
          assertEquals((await valuesOf(three)).length, 1_252);
          // One that takes another needs no room.
          await two.snapshot();
          one.close();
          await takeWhenFree(three);
          await two.releaseSnapshot();
          await takeWhenFree(two);
          const stats = await writer.stats();
          assert(stats.operations.snapshot >= 8);
          assert(stats.errors >= 1);
        });

        await t.step("and lets go of it with the connection", async () => {
          await writer.set("a", "3");
          await writer.compact();
          const isHeld = () => removedAndRead(dir).length > 0;
          assertEquals(isHeld(), engineName === "kvs");
          two.close();
          three.close();
          // Nothing tells when a Worker has ended.
          await until("the segments to be let go of", () => !isHeld());
        });

        await t.step("or the server", async () => {
          await takeWhenFree(writer);
          const last = await KvsClient.connect(server.addr);
          await engine.set("a", "5");
          const taking = last.snapshot().catch(() => {});
          await within("the stop of the server", server.stop());
          await taking;
          last.close();
          writer.close();
          assertEquals(await engine.get("a"), "5");
        });
      }, engineName));
  }
}
