import { assert, assertEquals } from "@std/assert";
import { JobBoard } from "../../pool/job_board.ts";
import { JobExecutor } from "../../pool/job_executor.ts";
import { JobHandler } from "../../pool/job_handler.ts";
import type { RequestHandler } from "../../net/connection.ts";
import { Executor, LocalHandler } from "../../net/executor.ts";
import { ConnectionSnapshot } from "../../net/snapshots.ts";
import { AnswerBuffer } from "../../protocol/json/answer_buffer.ts";
import {
  RequestBuffer,
  type RequestLimits,
} from "../../protocol/json/request_buffer.ts";
import { MemoryEngine } from "../_memory_engine.ts";
import { aloneMonitor } from "../_monitor.ts";
import { feed } from "../protocol/_feed.ts";
import { Dialogue } from "./_dialogue.ts";
import { SnapshotTaker } from "../pool/_snapshot_taker.ts";

const monitor = aloneMonitor();

const encoder = new TextEncoder();
const OK = '{"Ok":null}\n';

/** What makes handlers, and what has to be done after them. */
interface Kind {
  readonly name: string;
  readonly make: (
    engine: MemoryEngine,
    limits: RequestLimits,
    snapshot: ConnectionSnapshot,
  ) => { handler: RequestHandler; end: () => void };
}

const KINDS: readonly Kind[] = [
  {
    name: "LocalHandler",
    make: (engine, _limits, snapshot) => ({
      handler: new LocalHandler(new Executor(engine, monitor), snapshot),
      end: () => {},
    }),
  },
  {
    name: "JobHandler",
    // Jobs of one piece run on this thread as well as on another.
    make: (engine, limits, snapshot) => {
      const board: JobBoard = new JobBoard(
        4,
        (slot) => executor.run(slot),
      );
      const executor = new JobExecutor(engine, board.slots, limits, monitor);
      return {
        handler: new JobHandler(board, snapshot, monitor.counters),
        end: () => board.close(),
      };
    },
  },
];

/** Feeds text to a handler and runs it, as a connection would. */
function answers(session: Dialogue, text: string): Promise<string> {
  return session.send(text);
}

for (const { name, make } of KINDS) {
  const test = (
    what: string,
    body: (
      session: Dialogue,
      engine: MemoryEngine,
      taker: SnapshotTaker,
    ) => Promise<void>,
    limits: RequestLimits = {},
    isAsync = false,
  ) =>
    Deno.test(`${name} ${what}`, async () => {
      const engine = new MemoryEngine({ isAsync });
      const taker = new SnapshotTaker(engine);
      const { handler, end } = make(
        engine,
        limits,
        new ConnectionSnapshot(taker.snapshots),
      );
      const session = new Dialogue(handler, limits);
      // A wait in shared memory alone does not keep the event loop.
      const timer = setInterval(() => {}, 1_000);
      try {
        await body(session, engine, taker);
      } finally {
        end();
        clearInterval(timer);
      }
    });

  for (const isAsync of [false, true]) {
    const which = isAsync ? "an asynchronous" : "a synchronous";
    test(
      `runs requests as they become whole on ${which} engine`,
      async (session) => {
        assertEquals(await answers(session, '{"Set":{"key":"a","val'), "");
        assertEquals(
          await answers(session, 'ue":"1"}}\n{"Get":{"key":"a"}}\n{"Get'),
          `${OK}{"Ok":"1"}\n`,
        );
        assertEquals(await answers(session, '":{"key":"b"}}\n\n'), OK);
        assertEquals(await answers(session, "\n"), "");
        assertEquals(session.isBroken, false);
      },
      {},
      isAsync,
    );
  }

  test("answers an object that is all there is", async (session) => {
    assertEquals(await answers(session, '{"Get":{"key":"a"}}'), OK);
    assertEquals(await answers(session, '\n{"Get":{"key":"a"}} '), OK);
    assertEquals(await answers(session, '{\n"Get":{"key":"a"}\n}'), OK);
  });

  test("takes the rest for a request at the end", async (session) => {
    assertEquals(await answers(session, '{"Get":{"key":"a"}}\n{"Ge'), OK);
    const answer = await session.end();
    assert(answer.startsWith('{"Err":"Malformed JSON'), answer);
    assertEquals(session.isBroken, false);
  });

  test("takes the rest for a request whatever it ends with", async (session) => {
    assertEquals(await answers(session, '{"Get":\n'), "");
    const answer = await session.end();
    assert(/^\{"Err":"Malformed JSON[^\n]*\n$/.test(answer), answer);
  });

  test("breaks at what cannot be framed", async (session) => {
    const text = await answers(
      session,
      '{"Get":{"key":"a"}}\nGET / HTTP/1.1\n',
    );
    assertEquals(text, `${OK}{"Err":"This port does not speak HTTP"}\n`);
    assertEquals(session.isBroken, true);
  });

  test("breaks at a request larger than it may be", async (session) => {
    const text = await answers(session, `{"Get":{"key":"a"}}\n{"Get":{"key":"`);
    assertEquals(text, OK);
    assertEquals(
      await answers(session, "x".repeat(100)),
      '{"Err":"Request of 115 bytes exceeds the limit of 100 bytes (--max-request-size)"}\n',
    );
    assertEquals(session.isBroken, true);
  }, { maxRequestBytes: 100 });

  const scan = '{"Scan":{}}\n';
  const take = '{"Snapshot":{}}\n';
  const release = '{"Snapshot":{"release":true}}\n';
  const put = (value: string) => `{"Set":{"key":"a","value":"${value}"}}\n`;
  const page = (...entries: string[][]) =>
    `${JSON.stringify({ Ok: { entries, more: false } })}\n`;

  test(
    "shows scans the snapshot, and other requests the present",
    async (session, _, taker) => {
      assertEquals(
        await answers(
          session,
          `${put("1")}${take}${put("2")}${scan}{"Get":{"key":"a"}}\n{"Ge`,
        ),
        `${OK}${OK}${OK}${page(["a", "1"])}{"Ok":"2"}\n`,
      );
      assertEquals(
        await answers(session, `t":{"key":"a"}}\n${scan}${take}${scan}${scan}`),
        `{"Ok":"2"}\n${page(["a", "1"])}${OK}${page(["a", "2"]).repeat(2)}`,
      );
      assertEquals([taker.opened, taker.open], [2, 1]);
      assertEquals(
        await answers(session, `${put("3")}${release}${release}${scan}`),
        `${OK}${OK}${OK}${page(["a", "3"])}`,
      );
      assertEquals(taker.open, 0);
    },
  );

  test(
    "answers a snapshot that fails with an error, and has none",
    async (session, _, taker) => {
      await answers(session, put("1") + take + put("2"));
      taker.failure = new Error("No memory");
      assertEquals(
        await answers(session, take + scan + put("3")),
        `{"Err":"No memory"}\n${page(["a", "2"])}${OK}`,
      );
      assertEquals(taker.open, 0);
    },
  );

  test("runs what is in front of bytes that cannot be framed", async (session) => {
    assertEquals(
      await answers(session, `${take}${put("1")}${scan}GET / HTTP/1.1\n`),
      `${OK}${OK}${page()}{"Err":"This port does not speak HTTP"}\n`,
    );
    assertEquals(session.isBroken, true);
  });

  test("closes its snapshot with the connection", async (session, _, taker) => {
    await answers(session, take);
    assertEquals(taker.open, 1);
    session.close();
    assertEquals(taker.open, 0);
    assertEquals(
      await answers(session, take),
      '{"Err":"Connection is closed"}\n',
    );
    assertEquals([taker.opened, taker.open], [1, 0]);
  });

  test("goes on after an engine's error", async (session, engine) => {
    engine.failNext("getBytes", new Error("Out of order"));
    assertEquals(
      await answers(session, '{"Get":{"key":"a"}}\n{"Get":{"key":"a"}}\n'),
      `{"Err":"Out of order"}\n${OK}`,
    );
    assertEquals(session.isBroken, false);
  });
}

Deno.test("LocalHandler.run() asks for another call where answers are large", async () => {
  const engine = new MemoryEngine();
  await engine.set("large", "x".repeat(600_000));
  const snapshots = new SnapshotTaker(engine).snapshots;
  const handler = new LocalHandler(
    new Executor(engine, monitor),
    new ConnectionSnapshot(snapshots),
  );
  const requests = new RequestBuffer();
  feed(requests, encoder.encode('{"Get":{"key":"large"}}\n'.repeat(5)));
  const lengths: number[] = [];
  let isMore = true;
  while (isMore) {
    const answers = new AnswerBuffer();
    isMore = await handler.run(requests, answers);
    lengths.push(answers.length);
  }
  assertEquals(lengths.map((length) => Math.round(length / 600_000)), [
    2,
    2,
    1,
  ]);
});

Deno.test("JobExecutor answers a batch that it cannot run, and runs the next", async () => {
  const engine = new MemoryEngine();
  const { getBytes } = engine;
  engine.getBytes = (key) =>
    key[0] === 0x70 ? null as never : getBytes.call(engine, key);
  const board: JobBoard = new JobBoard(1, (slot) => executor.run(slot));
  const executor = new JobExecutor(engine, board.slots, {}, monitor);
  const timer = setInterval(() => {}, 1_000);
  const run = async (batch: string) => {
    const answers = new AnswerBuffer();
    const result = await board.run(encoder.encode(batch), answers);
    return { answers: answers.bytes(), ...result };
  };
  const poisoned = await run('{"Get":{"key":"a"}}\n{"Get":{"key":"p"}}\n');
  assertEquals(poisoned.isBroken, true);
  const text = new TextDecoder().decode(poisoned.answers);
  assert(/^\{"Err":".*null.*"\}\n$/.test(text), text);
  const next = await run('{"Get":{"key":"a"}}\n');
  assertEquals(new TextDecoder().decode(next.answers), OK);
  assertEquals([next.consumedBytes, next.isBroken], [20, false]);
  board.close();
  clearInterval(timer);
});
