import { assert, assertEquals } from "@std/assert";
import { cpuMs } from "../_cpu_time.ts";
import type { Write, WriteOutcome } from "../../engine/engine.ts";
import { totalsOf } from "../../monitor/counters.ts";
import { Monitor, shareMonitor } from "../../monitor/monitor.ts";
import { AnswerBuffer } from "../../protocol/json/answer_buffer.ts";
import { Executor } from "../../net/executor.ts";
import { RequestBuffer } from "../../protocol/json/request_buffer.ts";
import { MemoryEngine } from "../_memory_engine.ts";
import { feed } from "../protocol/_feed.ts";
import { aloneMonitor } from "../_monitor.ts";

const monitor = aloneMonitor();

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });
const MIB = 1024 * 1024;

const set = (key: string, value: string) => ({ Set: { key, value } });
const get = (key: string) => ({ Get: { key } });
const remove = (key: string) => ({ Remove: { key } });
const compact = { Compact: {} };
const OK = { Ok: null };

function buffered(messages: readonly unknown[]): RequestBuffer {
  const requests = new RequestBuffer();
  const lines = messages.map((message) =>
    (typeof message === "string" ? message : JSON.stringify(message)) + "\n"
  );
  feed(requests, encoder.encode(lines.join("")));
  return requests;
}

function read(answers: AnswerBuffer): unknown[] {
  const lines = decoder.decode(answers.bytes()).split("\n");
  assertEquals(lines.pop(), "");
  return lines.map((line) => JSON.parse(line));
}

/** Runs messages as one batch. */
async function run(
  engine: MemoryEngine,
  messages: readonly unknown[],
): Promise<unknown[]> {
  const answers = new AnswerBuffer();
  assertEquals(
    await new Executor(engine, monitor).run(buffered(messages), answers),
    false,
  );
  return read(answers);
}

/** Tests against a store that answers at once, and one that takes its time. */
function testBoth(
  name: string,
  body: (engine: MemoryEngine) => Promise<void>,
): void {
  for (const isAsync of [false, true]) {
    Deno.test(
      `Executor.run() ${name} (${
        isAsync ? "asynchronous" : "synchronous"
      } engine)`,
      () => body(new MemoryEngine({ isAsync })),
    );
  }
}

testBoth("answers each request in order", async (engine) => {
  assertEquals(
    await run(engine, [
      get("k"),
      set("k", "v"),
      get("k"),
      set("k", "w"),
      set("l", ""),
      "nonsense",
      get("k"),
      get("l"),
      remove("k"),
      remove("k"),
      get("k"),
      '{"Foo":{}}',
      compact,
      remove("l"),
    ]).then((answers) => answers.map((answer) => JSON.stringify(answer))),
    [
      '{"Ok":null}',
      '{"Ok":null}',
      '{"Ok":"v"}',
      '{"Ok":null}',
      '{"Ok":null}',
      '{"Err":"Malformed JSON: Unexpected token \'o\', \\"nonsense\\" is not valid JSON"}',
      '{"Ok":"w"}',
      '{"Ok":""}',
      '{"Ok":null}',
      '{"Err":"Key not found"}',
      '{"Ok":null}',
      '{"Err":"Unknown request \\"Foo\\"; expected Set, Get, Remove, Scan, Snapshot, Compact, Stats or Auth"}',
      '{"Ok":{"bytesBefore":2,"bytesAfter":1}}',
      '{"Ok":null}',
    ],
  );
});

testBoth("gives neighbouring writes to the engine together", async (engine) => {
  await run(engine, [
    set("a", "1"),
    set("b", "2"),
    remove("a"),
    get("a"),
    get("b"),
    set("c", "3"),
    "nonsense",
    remove("c"),
    set("d", "4"),
    compact,
    set("e", "5"),
  ]);
  assertEquals(engine.batchLengths, [3, 1, 2, 1]);
  assertEquals(engine.syncCount, 1);
});

testBoth("syncs only what was written", async (engine) => {
  await run(engine, [get("k"), "nonsense", compact]);
  assertEquals(engine.syncCount, 0);
  await run(engine, []);
  assertEquals(engine.syncCount, 0);
  await run(engine, [remove("k")]);
  assertEquals(engine.syncCount, 0, "nothing changed");
  await run(engine, [set("k", "v"), remove("missing")]);
  assertEquals(engine.syncCount, 1);
});

testBoth("bounds what it gives to the engine at once", async (engine) => {
  const small = Array.from({ length: 2_500 }, (_, i) => set(`${i}`, ""));
  assertEquals(await run(engine, small), small.map(() => OK));
  assertEquals(engine.batchLengths, [1_024, 1_024, 452]);
  engine.batchLengths.length = 0;
  const value = "v".repeat(0.4 * MIB);
  const large = Array.from({ length: 7 }, (_, i) => set(`${i}`, value));
  assertEquals(await run(engine, large), large.map(() => OK));
  assertEquals(engine.batchLengths, [3, 3, 1]);
  assertEquals(engine.syncCount, 2);
});

for (const isAsync of [false, true]) {
  const name = isAsync ? "asynchronous" : "synchronous";
  Deno.test(`Executor.run() ends a batch whose answers are large (${name} engine)`, async () => {
    const engine = new MemoryEngine({ isAsync });
    await run(engine, [set("k", "v".repeat(0.4 * MIB))]);
    const requests = buffered([...Array(40).fill(get("k")), set("l", "w")]);
    const answers = new AnswerBuffer();
    const counts: number[] = [];
    for (let isMore = true; isMore;) {
      isMore = await new Executor(engine, monitor).run(requests, answers);
      counts.push(read(answers).length);
      answers.clear();
    }
    // Lookups that are under way together are answered together.
    assertEquals(
      counts,
      isAsync ? [16, 16, 9, 0] : [...Array(13).fill(3), 2],
    );
    assertEquals(engine.syncCount, 2);
  });
}

testBoth(
  "ends a batch that is much work, however short the answers",
  async (engine) => {
    const pairs = Array.from({ length: 3_000 }, (_, i) => set(`${i}`, ""));
    await run(engine, pairs);
    const scan = { Scan: { keys: true, limit: 3_000 } };
    const stats = { Stats: {} };
    const requests = buffered([
      ...Array(9).fill(scan),
      ...Array(75).fill(stats),
      compact,
      compact,
      compact,
      set("k", "v"),
    ]);
    const answers = new AnswerBuffer();
    const counts: number[] = [];
    for (let isMore = true; isMore;) {
      isMore = await new Executor(engine, monitor).run(requests, answers);
      counts.push(read(answers).length);
      answers.clear();
    }
    assertEquals(counts, [4, 4, 36, 41, 2, 1]);
  },
);

testBoth("answers writes with the error of a failed sync", async (engine) => {
  await run(engine, [set("k", "v")]);
  engine.failNext("sync", new Error("Disk is gone"));
  const answers = await run(engine, [
    get("missing"),
    set("a", "1"),
    remove("missing"),
    get("a"),
    get("missing"),
    remove("k"),
    get("k"),
  ]);
  const error = { Err: "Cannot make the write durable: Disk is gone" };
  assertEquals(answers, [
    OK,
    error,
    { Err: "Key not found" },
    { Ok: "1" },
    OK,
    error,
    OK,
  ]);
  assertEquals(await run(engine, [set("a", "2")]), [OK]);
});

testBoth("leaves earlier answers alone when a sync fails", async (engine) => {
  const answers = new AnswerBuffer();
  await new Executor(engine, monitor).run(buffered([set("a", "1")]), answers);
  engine.failNext("sync", new Error("Disk is gone"));
  await new Executor(engine, monitor).run(buffered([set("b", "2")]), answers);
  assertEquals(read(answers), [
    OK,
    { Err: "Cannot make the write durable: Disk is gone" },
  ]);
});

testBoth("answers the writes that failed, and only those", async (engine) => {
  engine.failNext("write", new Error("Disk is full"));
  const answers = await run(engine, [
    set("a", "1"),
    remove("b"),
    get("a"),
    set("c", "3"),
    get("c"),
  ]);
  assertEquals(answers, [
    { Err: "Disk is full" },
    { Err: "Disk is full" },
    OK,
    OK,
    { Ok: "3" },
  ]);
});

testBoth("answers a lookup or compaction that failed", async (engine) => {
  engine.failNext("getBytes", new Error("Bad record"));
  engine.failNext("compact", new Error("Compaction is running"));
  const answers = await run(engine, [
    get("a"),
    get("a"),
    compact,
    compact,
  ]);
  assertEquals(answers, [
    { Err: "Bad record" },
    OK,
    { Err: "Compaction is running" },
    { Ok: { bytesBefore: 0, bytesAfter: 0 } },
  ]);
});

testBoth("passes on the outcome of each write", async (engine) => {
  engine.write = () => [true, new Error("Key too odd"), false];
  assertEquals(
    await run(engine, [set("a", "1"), set("b", "2"), remove("c")]),
    [OK, { Err: "Key too odd" }, { Err: "Key not found" }],
  );
});

testBoth(
  "takes an engine at its word no longer than it counts right",
  async (engine) => {
    engine.write = () => [true];
    assertEquals(
      await run(engine, [set("a", "1"), set("b", "2"), get("a")]),
      [
        { Err: "Engine answered 1 of 2 writes" },
        { Err: "Engine answered 1 of 2 writes" },
        OK,
      ],
    );
  },
);

testBoth("answers a request that breaks the connection", async (engine) => {
  const requests = new RequestBuffer({ maxRequestBytes: 40 });
  const answers = new AnswerBuffer();
  const text = `${JSON.stringify(set("k", "v"))}\n${"x".repeat(50)}`;
  feed(requests, encoder.encode(text));
  assertEquals(
    await new Executor(engine, monitor).run(requests, answers),
    false,
  );
  assertEquals(read(answers), [
    OK,
    {
      Err:
        "Request of 50 bytes exceeds the limit of 40 bytes (--max-request-size)",
    },
  ]);
  assert(requests.isBroken);
  assertEquals(engine.size, 1);
});

Deno.test("Executor.run() makes no promise for a synchronous engine", () => {
  const engine = new MemoryEngine();
  const answers = new AnswerBuffer();
  const messages = [set("k", "v"), get("k"), "nonsense", remove("k")];
  assertEquals(
    new Executor(engine, monitor).run(buffered(messages), answers),
    false,
  );
  assertEquals(read(answers).length, 4);
});

Deno.test("Executor.run() lets an asynchronous engine look keys up together", async () => {
  const engine = new MemoryEngine({ isAsync: true });
  await run(engine, [set("k", "v")]);
  const answers = await run(engine, Array(500).fill(get("k")));
  assertEquals(answers, Array(500).fill({ Ok: "v" }));
  assertEquals(engine.maxLookups, 16);
});

Deno.test("Executor.run() keeps the order of an engine that is asynchronous now and then", async () => {
  const engine = new MemoryEngine();
  const late = new MemoryEngine({ isAsync: true });
  const keys = Array.from({ length: 200 }, (_, i) => `${i}`);
  for (const key of keys) {
    await engine.set(key, key);
    await late.set(key, key);
  }
  let count = 0;
  const getBytes = engine.getBytes.bind(engine);
  engine.getBytes = (key) => {
    count++;
    if (count % 7 === 0) throw new Error("Bad record");
    return count % 3 === 0 ? late.getBytes(key) : getBytes(key);
  };
  assertEquals(
    await run(engine, keys.map(get)),
    keys.map((key, i) =>
      (i + 1) % 7 === 0 ? { Err: "Bad record" } : { Ok: key }
    ),
  );
});

Deno.test("Executor.run() takes 64 MiB of pipelined requests in bounded time and memory", () => {
  const engine = new MemoryEngine();
  const lines = [
    ...Array.from({ length: 64 }, (_, i) => set(`${i}`, "v".repeat(100))),
    ...Array.from({ length: 64 }, (_, i) => get(`${i}`)),
  ].map((message) => `${JSON.stringify(message)}\n`).join("");
  const chunk = encoder.encode(lines);
  const requests = new RequestBuffer();
  const answers = new AnswerBuffer();
  const startMs = cpuMs();
  let answersBytes = 0;
  const chunkCount = Math.ceil(64 * MIB / chunk.length);
  for (let i = 0; i < chunkCount; i++) {
    feed(requests, chunk, () => {
      for (let isMore = true; isMore;) {
        isMore = new Executor(engine, monitor).run(
          requests,
          answers,
        ) as boolean;
        assert(answers.length < 1.1 * MIB);
        answersBytes += answers.length;
        answers.clear();
      }
    });
  }
  assertEquals(answersBytes, chunkCount * 64 * (12 + 110));
  assert(cpuMs() - startMs < 20_000);
});

testBoth(
  "answers a scan with a page, after the writes before it",
  async (engine) => {
    assertEquals(
      await run(engine, [
        set("b", "2"),
        set("a", "1"),
        get("a"),
        { Scan: {} },
        remove("a"),
        { Scan: { prefix: "b" } },
        set("c", "3"),
        { Scan: { keys: true, reverse: true, limit: 1 } },
        { Scan: { after: "c", reverse: true } },
        { Scan: { start: "a", end: "b" } },
      ]),
      [
        OK,
        OK,
        { Ok: "1" },
        { Ok: { entries: [["a", "1"], ["b", "2"]], more: false } },
        OK,
        { Ok: { entries: [["b", "2"]], more: false } },
        OK,
        { Ok: { entries: [["c"]], more: true } },
        { Ok: { entries: [["b", "2"]], more: false } },
        { Ok: { entries: [], more: false } },
      ],
    );
  },
);

testBoth("bounds the answer to a scan in entries and bytes", async (engine) => {
  const many = Array.from({ length: 1_001 }, (_, i) => set(`k${i}`, ""));
  await run(engine, many);
  const [page] = await run(engine, [{ Scan: {} }]) as [
    { Ok: { entries: unknown[]; more: boolean } },
  ];
  assertEquals([page.Ok.entries.length, page.Ok.more], [1_000, true]);
  const value = "v".repeat(MIB / 2);
  await run(engine, [set("a", value), set("b", value), set("c", value)]);
  const [large] = await run(engine, [{ Scan: { end: "d" } }]) as [
    { Ok: { entries: unknown[]; more: boolean } },
  ];
  assertEquals([large.Ok.entries.length, large.Ok.more], [1, true]);
});

testBoth("answers a scan that fails with an error", async (engine) => {
  engine.failNext("scan", new Error("Disk is gone"));
  assertEquals(await run(engine, [{ Scan: {} }, { Scan: {} }]), [
    { Err: "Disk is gone" },
    { Ok: { entries: [], more: false } },
  ]);
});

testBoth("counts the requests of a batch", async (engine) => {
  const handle = shareMonitor("reuse-port", 1);
  const monitor = new Monitor(handle, 0);
  await engine.set("old", "1");
  engine.failNext("getBytes", new Error("Out of order"));
  engine.failNext("sync", new Error("Disk is gone"));
  const answers = new AnswerBuffer();
  // What is there already is another batch's.
  answers.err("Before");
  const messages = [
    get("old"),
    get("old"),
    set("a", "1"),
    set("b", "2"),
    set("c", "3"),
    remove("old"),
    remove("nobody"),
    { Scan: {} },
    { Snapshot: {} },
    compact,
    { Auth: { token: "t" } },
    { Stats: {} },
    "nonsense",
    { Get: {} },
  ];
  await new Executor(engine, monitor).run(buffered(messages), answers);
  const { counts, get: gets, set: sets } = totalsOf(handle.counters);
  assertEquals(counts, {
    get: 2,
    set: 3,
    remove: 2,
    scan: 1,
    snapshot: 1,
    compact: 1,
    stats: 1,
    auth: 1,
    invalid: 2,
    // A get, four writes that are not durable, a snapshot without a connection,
    // and what was no request; not that there was nothing to be removed.
    errors: 8,
    denied: 0,
    connections: 0,
    refused: 0,
    deaths: 0,
  });
  assertEquals([gets.histogram.total, sets.histogram.total], [2, 3]);
});

/** An engine that notes the keys it is given, and answers as it is told. */
class NotingEngine extends MemoryEngine {
  readonly calls: string[] = [];
  answer: (count: number) => WriteOutcome[] | Promise<WriteOutcome[]> = (
    count,
  ) => Array<WriteOutcome>(count).fill(true);

  override write(writes: readonly Write[]) {
    this.calls.push(writes.map(({ key }) => decoder.decode(key)).join(" "));
    return this.answer(writes.length);
  }
}

/** Runs batches on one executor that joins their writes. */
function joining(engine: MemoryEngine) {
  const executor = new Executor(engine, monitor, { joinsWrites: true });
  return async (...messages: unknown[]) => {
    const answers = new AnswerBuffer();
    await executor.run(buffered(messages), answers);
    return read(answers);
  };
}

const sets = (...keys: string[]) => keys.map((key) => set(key, "v"));

Deno.test("Executor.run() gives the engine the joined writes of one turn at once, in order", async () => {
  const engine = new NotingEngine();
  const run = joining(engine);
  await Promise.all([
    run(...sets("a", "b")),
    run(...sets("c")),
    run(),
    run(...sets("a")),
  ]);
  assertEquals(engine.calls, ["a b c a"]);
  await run(...sets("d"));
  assertEquals(engine.calls, ["a b c a", "d"]);
});

Deno.test("Executor.run() answers each batch with the outcomes of its own writes", async () => {
  for (const isAsync of [false, true]) {
    const engine = new NotingEngine();
    engine.answer = () => {
      const outcomes = [true, false, new Error("too large"), true];
      return isAsync ? Promise.resolve(outcomes) : outcomes;
    };
    const run = joining(engine);
    assertEquals(
      await Promise.all([
        run(...sets("a", "b")),
        run(...sets("c")),
        run(...sets("d")),
      ]),
      [[OK, { Err: "Key not found" }], [{ Err: "too large" }], [OK]],
    );
  }
});

Deno.test("Executor.run() fails all batches whose joined writes fail, and no others", async () => {
  const engine = new NotingEngine();
  const { answer } = engine;
  engine.answer = () => {
    throw new Error("disk full");
  };
  const run = joining(engine);
  assertEquals(
    await Promise.all([run(...sets("a")), run(...sets("b"))]),
    [[{ Err: "disk full" }], [{ Err: "disk full" }]],
  );
  engine.answer = answer;
  assertEquals(await run(...sets("c")), [OK]);
});

Deno.test("Executor.run() does not keep many joined writes waiting for more", async () => {
  const engine = new NotingEngine();
  const run = joining(engine);
  const many = sets(...Array.from({ length: 1_500 }, (_, i) => `${i}`));
  const parts = [run(...many), run(...sets("last"))];
  assertEquals(engine.calls.length, 1);
  const [first, second] = await Promise.all(parts);
  assertEquals([first.length, second.length], [1_500, 1]);
  assertEquals(engine.calls.length, 2);
  assert(!engine.calls[0].includes("last"));
});

Deno.test("Executor.run() fails all batches where an engine answers another number of writes", async () => {
  const engine = new NotingEngine();
  engine.answer = () => [true];
  const run = joining(engine);
  assertEquals(
    await Promise.all([run(...sets("a")), run(...sets("b"))]),
    Array(2).fill([{ Err: "Engine answered 1 of 2 writes" }]),
  );
});

for (const joinsWrites of [false, true]) {
  Deno.test(`Executor.run() answers in order where batches interleave (joinsWrites: ${joinsWrites})`, async () => {
    const engine = new MemoryEngine({ isAsync: true });
    const executor = new Executor(engine, monitor, { joinsWrites });
    await Promise.all(Array.from({ length: 8 }, async (_, i) => {
      const answers = new AnswerBuffer();
      const rounds = Array.from({ length: 10 }, (_, j) => `${j}`);
      const messages = rounds.flatMap((value) => [
        set(`${i}`, value),
        ...i % 2 === 0 ? [get("nobody")] : [],
        set(`other ${i}`, value),
        get(`${i}`),
      ]);
      await executor.run(buffered(messages), answers);
      assertEquals(
        read(answers),
        rounds.flatMap((value) => [
          OK,
          ...i % 2 === 0 ? [OK] : [],
          OK,
          { Ok: value },
        ]),
      );
    }));
  });
}
