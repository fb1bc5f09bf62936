import { assert, assertEquals } from "@std/assert";
import { SoakClient, type SoakTally } from "../../../bench/soak/client.ts";
import { withEngine } from "../../_server.ts";
import type { KvsEngine } from "../../../engine/engine.ts";

/** Lets clients work on a server while something is done to its store. */
async function soak(
  disturb: (engine: KvsEngine, keys: string[]) => Promise<void>,
): Promise<SoakTally> {
  const tally: SoakTally = { answered: 0, lost: 0, wrong: [] };
  await withEngine(async (engine, start) => {
    await using server = await start();
    let isOver = false;
    const clients = [1, 2].map((seed) =>
      new SoakClient(`c${seed}`, seed, tally)
        .run(() => Promise.resolve(server.addr), () => isOver)
    );
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { entries } = await engine.scan({ keysOnly: true });
    const decoder = new TextDecoder();
    await disturb(engine, entries.map(({ key }) => decoder.decode(key)));
    await new Promise((resolve) => setTimeout(resolve, 100));
    isOver = true;
    await Promise.all(clients);
  });
  return tally;
}

Deno.test("SoakClient finds nothing wrong with a good server", async () => {
  const tally = await soak(() => Promise.resolve());
  assert(tally.answered > 50, `${tally.answered} answered`);
  assertEquals([tally.lost, tally.wrong], [0, []]);
});

Deno.test("SoakClient sees a key that has gone", async () => {
  const { wrong } = await soak(async (engine, keys) => {
    for (const key of keys) await engine.remove(key);
  });
  assert(wrong.some((text) => text.includes(" is not there, but must be ")));
});

Deno.test("SoakClient sees a value of the past, and a key that has come back", async () => {
  const { wrong } = await soak(async (engine, keys) => {
    for (const key of keys) await engine.set(key, `${key} of the past`);
    await engine.set("c1/of the past", "1");
  });
  assert(wrong.some((text) => text.includes(' of the past", but must be ')));
  assert(wrong.some((text) => text.includes("but must be not there")));
});
