import { assertEquals, assertRejects } from "@std/assert";
import { DirectoryTarget } from "../../cli/directory_target.ts";
import { PairBlock } from "../../cli/pairs/pair_block.ts";
import { ServerTarget } from "../../cli/server_target.ts";
import type { PairRange, Target } from "../../cli/target.ts";
import { MemoryEngine } from "../_memory_engine.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A server's target over an engine, as far as pages and sets go. */
function serverOf(engine: MemoryEngine, asked: unknown[] = []): Target {
  const encode = (text: string | undefined) =>
    text === undefined ? undefined : encoder.encode(text);
  return new ServerTarget({
    get: async (key) => await engine.get(key),
    set: async (key, value) => await engine.set(key, value),
    remove: async (key) => await engine.remove(key),
    compact: () => engine.compact(),
    close: () => {},
    snapshot: (): Promise<never> => Promise.reject(new Error("Not asked for")),
    stats: (): Promise<never> => Promise.reject(new Error("Not asked for")),
    async scanPage(range) {
      asked.push(range);
      const page = await engine.scan({
        ...range,
        prefix: encode(range.prefix),
        start: encode(range.start),
        end: encode(range.end),
        after: encode(range.after),
        keysOnly: range.keys,
        maxBytes: 100,
      });
      const text = (bytes: Uint8Array) => decoder.decode(bytes);
      return {
        more: page.more,
        entries: page.entries.map(({ key, value }) =>
          value === undefined ? [text(key)] : [text(key), text(value)]
        ),
      };
    },
  });
}

async function pairsOf(target: Target, range: PairRange) {
  const text = (part: string | Uint8Array | undefined) =>
    typeof part === "object" ? decoder.decode(part) : part;
  const pairs: string[] = [];
  for await (const page of target.pages(range)) {
    assertEquals(page.length > 0, true);
    for (const { key, value } of page) {
      pairs.push(
        value === undefined ? `${text(key)}` : `${text(key)}=${text(value)}`,
      );
    }
  }
  return pairs;
}

/** Pairs as they lie in a text that was read. */
function blockOf(pairs: readonly [key: string, value: string][]): PairBlock {
  const block = new PairBlock(encoder.encode(pairs.flat().join("")));
  let at = 0;
  for (const [key, value] of pairs) {
    const keyEnd = at + key.length;
    block.add(at, keyEnd, keyEnd, keyEnd + value.length);
    at = keyEnd + value.length;
  }
  return block;
}

Deno.test("Target.pages() gives the same of a server and of a directory", async () => {
  const engine = new MemoryEngine({ isAsync: true });
  const names = Array.from({ length: 60 }, (_, i) => `k${100 + i}`);
  for (const name of names) await engine.set(name, `${name}ü`);
  const ranges: [PairRange, string[]][] = [
    [{}, names.map((name) => `${name}=${name}ü`)],
    [{ keys: true, reverse: true }, [...names].reverse()],
    [
      { keys: true, start: "k110", end: "k155", limit: 37 },
      names.slice(10, 47),
    ],
    [{ keys: true, prefix: "k12" }, names.slice(20, 30)],
    [{ prefix: "x" }, []],
  ];
  for (const [range, expected] of ranges) {
    assertEquals(await pairsOf(new DirectoryTarget(engine), range), expected);
    assertEquals(await pairsOf(serverOf(engine), range), expected);
  }
});

Deno.test("ServerTarget.pages() asks for the next page before the last is dealt with", async () => {
  const engine = new MemoryEngine();
  for (let i = 0; i < 60; i++) await engine.set(`k${100 + i}`, "value");
  const asked: unknown[] = [];
  const pages = serverOf(engine, asked).pages({})[Symbol.asyncIterator]();
  await pages.next();
  assertEquals(asked.length, 2);
  // A page that fails when nobody asks for it any more is no failure.
  engine.failNext("scan", new Error("no disk"));
  await pages.next();
  await pages.return?.();
  engine.failNext("scan", new Error("no disk"));
  await assertRejects(() => pairsOf(serverOf(engine), {}), Error, "no disk");
});

Deno.test("Target.add() sets pairs in a directory and in a server", async () => {
  for (const isServer of [false, true]) {
    const engine = new MemoryEngine({ isAsync: true });
    const target = isServer ? serverOf(engine) : new DirectoryTarget(engine);
    const pairs = blockOf([["k2", "v2"], ["k1", "v1"], ["k2", "v3"]]);
    await target.add(pairs);
    pairs.bytes.fill(0);
    await target.finish();
    assertEquals(await engine.get("k1"), "v1");
    assertEquals(await engine.get("k2"), "v3");
    assertEquals(engine.syncCount > 0, true);
  }
});

Deno.test("Target.add() sets the last of many pairs of one key, in parts", async () => {
  for (const isServer of [false, true]) {
    const engine = new MemoryEngine();
    const target = isServer ? serverOf(engine) : new DirectoryTarget(engine);
    // So many that those of a key do not fit into one part.
    const numbers = Array.from({ length: 20_000 }, (_, i) => i);
    await target.add(
      blockOf(numbers.map((i) => [`k${i * 7_919 % 3}`, `${10_000 + i}`])),
    );
    await target.finish();
    for (const rest of [0, 1, 2]) {
      const last = numbers.findLast((i) => i * 7_919 % 3 === rest)!;
      assertEquals(await engine.get(`k${rest}`), `${10_000 + last}`);
    }
  }
});

Deno.test("Target.add() fails if a pair cannot be set, or finish() does", async () => {
  const pairs = blockOf([["k", "v"]]);
  for (const isServer of [false, true]) {
    for (const method of ["write", "sync"] as const) {
      const engine = new MemoryEngine({ isAsync: true });
      const target = isServer ? serverOf(engine) : new DirectoryTarget(engine);
      engine.failNext(method, new Error("no disk"));
      await assertRejects(
        async () => {
          await target.add(pairs);
          await target.finish();
        },
        Error,
        "no disk",
      );
    }
  }
});
