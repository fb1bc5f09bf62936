import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import type { KvsEngine, ScanEntry, ScanRange } from "../../engine/engine.ts";
import { boundsOf, scanEntries, scanPages } from "../../engine/scan.ts";
import { MemoryEngine } from "../_memory_engine.ts";
import { testEngines } from "./_engines.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** How stores of engine kvs are opened here. */
const KVS = { segmentBytes: 64 * 1024, onDamage: () => {} };

/** Runs a test with each engine, and with the one that other tests use. */
function testEach(
  name: string,
  body: (engine: KvsEngine) => Promise<void>,
): void {
  testEngines(name, KVS, body);
  Deno.test(`${name} (memory)`, () => body(new MemoryEngine()));
}

function put(key: string, value = `value of ${key}`) {
  return { key: encoder.encode(key), value: encoder.encode(value) };
}

function show({ key, value }: ScanEntry): string {
  const text = decoder.decode(key);
  return value === undefined ? text : `${text}=${decoder.decode(value)}`;
}

async function keysOf(engine: KvsEngine, range: ScanRange): Promise<string[]> {
  const keys = await Array.fromAsync(
    scanEntries(engine, { ...range, keysOnly: true }),
  );
  return keys.map(show);
}

const bytes = (text: string) => encoder.encode(text);

testEach("KvsEngine.scan() bounds a page by keys", async (engine) => {
  const names = ["", "a", "b", "b\0", "ba", "bb", "c", "ca", "ü"];
  await engine.write(names.map((name) => put(name)));
  await engine.write([put("bad"), { key: bytes("bad"), value: undefined }]);
  const cases: [range: ScanRange, expected: string[]][] = [
    [{}, names],
    [{ start: bytes("b") }, ["b", "b\0", "ba", "bb", "c", "ca", "ü"]],
    [{ end: bytes("b") }, ["", "a"]],
    [{ start: bytes("b"), end: bytes("c") }, ["b", "b\0", "ba", "bb"]],
    [{ start: bytes("c"), end: bytes("b") }, []],
    [{ start: bytes("b"), end: bytes("b") }, []],
    [{ prefix: bytes("b") }, ["b", "b\0", "ba", "bb"]],
    [{ prefix: bytes("") }, names],
    [{ prefix: bytes("x") }, []],
    [{ prefix: Uint8Array.of(0xc3) }, ["ü"]],
    [{ prefix: bytes("b"), start: bytes("ba") }, ["ba", "bb"]],
    [{ prefix: bytes("b"), start: bytes("a"), end: bytes("bb") }, [
      "b",
      "b\0",
      "ba",
    ]],
    [{ end: bytes("") }, []],
  ];
  for (const [range, expected] of cases) {
    assertEquals(await keysOf(engine, range), expected);
    const backwards = await keysOf(engine, { ...range, reverse: true });
    assertEquals(backwards, [...expected].reverse());
  }
  const behind = { after: bytes("b") };
  assertEquals(await keysOf(engine, behind), [
    "b\0",
    "ba",
    "bb",
    "c",
    "ca",
    "ü",
  ]);
  assertEquals(await keysOf(engine, { ...behind, reverse: true }), ["a", ""]);
  assertEquals(await keysOf(engine, { after: bytes(""), reverse: true }), []);
});

testEach("KvsEngine.scan() gives keys that are any bytes", async (engine) => {
  const keys = [[], [0], [0, 0], [0, 255], [127], [128], [255], [255, 255]];
  const value = Uint8Array.of(0, 255, 128);
  await engine.write(keys.map((key) => ({ key: Uint8Array.from(key), value })));
  const found = await engine.scan({});
  assertEquals(found.entries.map(({ key }) => [...key]), keys);
  for (const entry of found.entries) {
    assertEquals([...entry.value!], [...value]);
  }
  const prefix = Uint8Array.of(255);
  const last = await engine.scan({ prefix, keysOnly: true });
  assertEquals(last.entries.map(({ key }) => [...key]), [[255], [255, 255]]);
});

testEach(
  "KvsEngine.scan() bounds a page by entries and bytes",
  async (engine) => {
    const names = Array.from({ length: 2_500 }, (_, i) => `k${10_000 + i}`);
    await engine.write(names.map((name) => put(name)));
    const page = await engine.scan({});
    assertEquals([page.entries.length, page.more], [1_000, true]);
    const whole = await engine.scan({ limit: Infinity });
    assertEquals(whole.entries.length, 2_500);
    assertEquals(whole.more, false);
    const few = await engine.scan({ limit: 3, reverse: true });
    assertEquals(few.entries.map(show), [
      "k12499=value of k12499",
      "k12498=value of k12498",
      "k12497=value of k12497",
    ]);
    assertEquals(few.more, true);
    // A key of 6 bytes, a value of 15.
    const small = await engine.scan({ maxBytes: 21 * 40 });
    assertEquals([small.entries.length, small.more], [40, true]);
    const smaller = await engine.scan({ maxBytes: 21 * 40 - 1 });
    assertEquals([smaller.entries.length, smaller.more], [39, true]);
    const one = await engine.scan({ maxBytes: 1, keysOnly: true });
    assertEquals([one.entries.length, one.more], [1, true]);
    const keys = await engine.scan({ maxBytes: 6 * 40, keysOnly: true });
    assertEquals([keys.entries.length, keys.entries[0].value], [40, undefined]);
    for (const wrong of [{ limit: 0 }, { limit: 1.5 }, { maxBytes: NaN }]) {
      await assertRejects(
        async () => await engine.scan(wrong),
        RangeError,
        "expected a whole number from 1",
      );
    }
  },
);

testEach(
  "KvsEngine.scan() gives a value that is larger than a page",
  async (engine) => {
    const large = "x".repeat(3_000_000);
    await engine.write([put("a"), put("b", large), put("c")]);
    const values: [number, number][] = [];
    for await (const page of scanPages(engine)) {
      values.push([page.length, page[0].value!.length]);
    }
    assertEquals(values, [[1, 10], [1, 3_000_000], [1, 10]]);
  },
);

testEach(
  "scanEntries() agrees with a sorted list, whatever the pages",
  async (engine) => {
    const texts = fc.string({
      unit: fc.constantFrom("a", "b", "ü"),
      maxLength: 4,
    });
    const model = new Map<string, string>();
    for (
      const [i, key] of fc.sample(texts, { numRuns: 300, seed: 1 }).entries()
    ) {
      model.set(key, `${i}`);
      await engine.set(key, `${i}`);
      if (i % 3 !== 0) continue;
      model.delete(key);
      await engine.remove(key);
    }
    const optional = fc.option(texts, { nil: undefined });
    await fc.assert(
      fc.asyncProperty(
        fc.record({ prefix: optional, start: optional, end: optional }),
        fc.boolean(),
        fc.option(fc.integer({ min: 1, max: 60 }), { nil: undefined }),
        fc.option(fc.integer({ min: 1, max: 60 }), { nil: undefined }),
        async ({ prefix, start, end }, reverse, limit, maxBytes) => {
          const compare = (a: string, b: string) =>
            Buffer.compare(Buffer.from(a), Buffer.from(b));
          const expected = [...model].filter(([key]) =>
            (prefix === undefined || key.startsWith(prefix)) &&
            (start === undefined || compare(key, start) >= 0) &&
            (end === undefined || compare(key, end) < 0)
          ).sort(([a], [b]) => reverse ? compare(b, a) : compare(a, b));
          const found = await Array.fromAsync(scanEntries(engine, {
            prefix: prefix === undefined ? undefined : bytes(prefix),
            start: start === undefined ? undefined : bytes(start),
            end: end === undefined ? undefined : bytes(end),
            reverse,
            limit,
            maxBytes,
          }));
          assertEquals(
            found.map(show),
            expected.slice(0, limit).map(([key, value]) => `${key}=${value}`),
          );
        },
      ),
      { numRuns: 60 },
    );
  },
);

testEngines(
  "scanEntries() sees once each key that stays, beside writes and compactions",
  KVS,
  async (engine) => {
    const value = "v".repeat(200);
    const names = Array.from({ length: 3_000 }, (_, i) => `k${10_000 + i}`);
    await engine.write(names.map((name) => put(name, value)));
    let isDone = false;
    const churn = async () => {
      for (let round = 0; !isDone; round++) {
        const odd = names.filter((_, i) => i % 2 === 1);
        await engine.write(odd.map((name) => ({
          key: bytes(name),
          value: round % 2 === 0 ? undefined : bytes(value),
        })));
        await engine.write(
          names.filter((_, i) => i % 4 === 0)
            .map((name) => put(name, `${round}${value}`)),
        );
        await engine.compact();
      }
    };
    const churned = churn();
    try {
      for (let round = 0; round < 6; round++) {
        const reverse = round % 2 === 1;
        const seen: string[] = [];
        for await (
          const entry of scanEntries(engine, { reverse, maxBytes: 20_000 })
        ) {
          seen.push(decoder.decode(entry.key));
          assert(decoder.decode(entry.value).endsWith(value));
          if (seen.length % 500 === 0) {
            await new Promise((resolve) => setTimeout(resolve, 1));
          }
        }
        if (reverse) seen.reverse();
        assertEquals(seen, [...new Set(seen)].sort());
        const kept = seen.filter((name) => Number(name.slice(1)) % 2 === 0);
        assertEquals(kept, names.filter((_, i) => i % 2 === 0));
      }
    } finally {
      isDone = true;
      await churned;
    }
  },
);

Deno.test("scanEntries() asks for no more than it needs, and stops when it is left", async () => {
  const engine = new MemoryEngine({ isAsync: true });
  await engine.write(["a", "b", "c", "d"].map((name) => put(name)));
  const ranges: ScanRange[] = [];
  const watched = {
    scan: (range: ScanRange) => {
      ranges.push(range);
      return engine.scan(range);
    },
  };
  for await (const _ of scanEntries(watched, { maxBytes: 1 })) break;
  assertEquals(ranges.length, 1);
  const found = await Array.fromAsync(scanEntries(watched, { limit: 2 }));
  assertEquals(found.map(show), ["a=value of a", "b=value of b"]);
  assertEquals(ranges[1].limit, 2);
  assertEquals(ranges.length, 2);
  engine.failNext("scan", new Error("no disk"));
  await assertRejects(
    () => Array.fromAsync(scanEntries(engine)),
    Error,
    "no disk",
  );
});

Deno.test("boundsOf() narrows a range to the least of its bounds", () => {
  const { start, end } = boundsOf({ prefix: Uint8Array.of(1, 255, 255) });
  assertEquals([...start!], [1, 255, 255]);
  assertEquals([...end!], [2]);
  assertEquals(boundsOf({ prefix: Uint8Array.of(255, 255) }).end, undefined);
  assertEquals([...boundsOf({ after: Uint8Array.of(7) }).start!], [7, 0]);
  const end7 = boundsOf({ after: Uint8Array.of(7), reverse: true }).end!;
  assertEquals([...end7], [7]);
  assertThrows(
    () => boundsOf({ limit: -1 }),
    RangeError,
    "Cannot scan -1 entries",
  );
});
