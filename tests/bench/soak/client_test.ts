import { assert, assertEquals } from "@std/assert";
import { until } from "../../_deadline.ts";
import { SoakClient, type SoakTally } from "../../../bench/soak/client.ts";
import { withEngine } from "../../_server.ts";
import type { KvsEngine } from "../../../engine/engine.ts";

/** Lets clients work on a server while something is done to its store. */
async function soak(
  disturb: (engine: KvsEngine, keys: string[]) => Promise<void>,
  isSeen: (tally: SoakTally, answered: number) => boolean,
): Promise<SoakTally> {
  const tally: SoakTally = { answered: 0, lost: 0, wrong: [] };
  await withEngine(async (engine, start) => {
    await using server = await start();
    let isOver = false;
    const clients = [1, 2].map((seed) =>
      new SoakClient(`c${seed}`, seed, tally)
        .run(() => Promise.resolve(server.addr), () => isOver)
    );
    await until("some answers", () => tally.answered > 100);
    const { entries } = await engine.scan({ keysOnly: true });
    const decoder = new TextDecoder();
    await disturb(engine, entries.map(({ key }) => decoder.decode(key)));
    const { answered } = tally;
    await until("answers after that", () => isSeen(tally, answered));
    isOver = true;
    await Promise.all(clients);
  });
  return tally;
}

/** Whether all of these were found wrong. */
function says(...parts: string[]): (tally: SoakTally) => boolean {
  return ({ wrong }) =>
    parts.every((part) => wrong.some((text) => text.includes(part)));
}

Deno.test("SoakClient finds nothing wrong with a good server", async () => {
  const tally = await soak(
    () => Promise.resolve(),
    ({ answered }, before) => answered > before + 100,
  );
  assert(tally.answered > 50, `${tally.answered} answered`);
  assertEquals([tally.lost, tally.wrong], [0, []]);
});

Deno.test("SoakClient sees a key that has gone", async () => {
  const { wrong } = await soak(async (engine, keys) => {
    for (const key of keys) await engine.remove(key);
  }, says(" is not there, but must be "));
  assert(wrong.some((text) => text.includes(" is not there, but must be ")));
});

Deno.test("SoakClient sees a value of the past, and a key that has come back", async () => {
  const { wrong } = await soak(async (engine, keys) => {
    for (const key of keys) await engine.set(key, `${key} of the past`);
    await engine.set("c1/of the past", "1");
  }, says(' of the past", but must be ', "but must be not there"));
  assert(wrong.some((text) => text.includes(' of the past", but must be ')));
  assert(wrong.some((text) => text.includes("but must be not there")));
});
