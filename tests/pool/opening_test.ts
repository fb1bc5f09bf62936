/**
 * What handlers do with a connection that does not begin as a client's does.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { hashToken, TokenGate } from "../../net/auth.ts";
import type { RequestHandler } from "../../net/connection.ts";
import { Executor, LocalHandler } from "../../net/executor.ts";
import { JobBoard } from "../../pool/job_board.ts";
import { JobExecutor } from "../../pool/job_executor.ts";
import { JobHandler } from "../../pool/job_handler.ts";
import { ConnectionSnapshot } from "../../net/snapshots.ts";
import { MemoryEngine } from "../_memory_engine.ts";
import { aloneMonitor } from "../_monitor.ts";
import { OPENINGS, SMUGGLED, SMUGGLED_KEY } from "../_openings.ts";
import { Dialogue } from "../net/_dialogue.ts";
import { readPlainly } from "../protocol/_reference.ts";
import { SnapshotTaker } from "./_snapshot_taker.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const monitor = aloneMonitor();

const AUTH = '{"Auth":{"token":"sesame"}}\n';

/** What makes handlers for an engine, all of one kind. */
interface Kind extends Disposable {
  readonly engine: MemoryEngine;
  readonly make: () => RequestHandler;
}

function localKind(): Kind {
  const engine = new MemoryEngine();
  const { snapshots } = new SnapshotTaker(engine);
  const executor = new Executor(engine, monitor);
  const make = () =>
    new LocalHandler(executor, new ConnectionSnapshot(snapshots));
  return { engine, make, [Symbol.dispose]: () => {} };
}

function remoteKind(): Kind {
  const engine = new MemoryEngine();
  // Jobs of one piece run on this thread as well as on another.
  const board: JobBoard = new JobBoard(4, (slot) => executor.run(slot));
  const executor = new JobExecutor(engine, board.slots, {}, monitor);
  const { snapshots } = new SnapshotTaker(engine);
  // A wait in shared memory alone does not keep the event loop.
  const timer = setInterval(() => {}, 1_000);
  return {
    engine,
    make: () =>
      new JobHandler(
        board,
        new ConnectionSnapshot(snapshots),
        monitor.counters,
      ),
    [Symbol.dispose]: () => {
      clearInterval(timer);
      board.close();
    },
  };
}

/** Feeds pieces to a handler and runs it, as a connection would. */
async function converse(
  session: Dialogue,
  pieces: readonly Uint8Array[],
): Promise<string> {
  let answers = "";
  for (const piece of pieces) {
    answers += await session.send(piece);
    if (session.isBroken) return answers;
  }
  return answers + await session.end();
}

function cutAt(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const end = at + lengths[i % lengths.length];
    pieces.push(bytes.subarray(at, end));
    at = end;
  }
  return pieces;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** Lines of answers, each of which has to be JSON. */
function errorsIn(answers: string): boolean[] {
  return answers.split("\n").slice(0, -1)
    .map((line) => "Err" in JSON.parse(line));
}

/** Any bytes, many of them near to an opening or to a request. */
const opening = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.constantFrom(...OPENINGS.values()),
  fc.string({
    unit: fc.constantFrom(...'{}[]":,\\\n\r \t1aé\ufeff'),
    maxLength: 12,
  }).map((text) => encoder.encode(text)),
  fc.json({ maxDepth: 3 }).map((text) => encoder.encode(text)),
  fc.tuple(
    fc.constantFrom('{"Get":{"key":"k"}}', '{"a":[{}]}', '{\n"a" : 1\n}', "{}"),
    fc.nat(),
    fc.nat(0xff),
  ).map(([text, at, byte]) => {
    const bytes = encoder.encode(text);
    bytes[at % (bytes.length * 2)] = byte;
    return bytes;
  }),
);

const lengths = fc.oneof(
  fc.constant([1]),
  fc.constant([1_000_000]),
  fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 6 }),
);

for (
  const { name, makeKind } of [
    { name: "LocalHandler", makeKind: localKind },
    { name: "JobHandler", makeKind: remoteKind },
  ]
) {
  Deno.test(`${name} runs nothing after what does not begin with an object`, async () => {
    using kind = makeKind();
    const smuggled = encoder.encode(SMUGGLED);
    await fc.assert(
      fc.asyncProperty(opening, lengths, async (opening, lengths) => {
        await kind.engine.remove(SMUGGLED_KEY);
        const pieces = cutAt(joined(opening, smuggled), lengths);
        const readings = readPlainly(pieces);
        const answers = await converse(new Dialogue(kind.make()), pieces);
        assertEquals(
          await kind.engine.get(SMUGGLED_KEY),
          readings.some(({ message }) => message?.[1].key === SMUGGLED_KEY)
            ? "v"
            : undefined,
        );
        assertEquals(errorsIn(answers).length, readings.length);
        // Once more, without the reference: blank, or the beginning of JSON.
        const isPossible = /^[\n\r\t ]*({|$)/.test(decoder.decode(opening));
        if (!isPossible) {
          assertEquals(await kind.engine.get(SMUGGLED_KEY), undefined);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  Deno.test(`${name} runs nothing before or after the token where a connection begins otherwise`, async () => {
    using kind = makeKind();
    const tokenHash = hashToken("sesame");
    const smuggled = encoder.encode(`\n${AUTH}${SMUGGLED}`);
    await fc.assert(
      fc.asyncProperty(opening, lengths, async (opening, lengths) => {
        await kind.engine.remove(SMUGGLED_KEY);
        const pieces = cutAt(joined(opening, smuggled), lengths);
        const readings = readPlainly(pieces);
        const gate = new TokenGate({
          tokenHash,
          limits: {},
          makeHandler: kind.make,
          counters: monitor.counters,
        });
        await converse(new Dialogue(gate), pieces);
        const isIn = readings.some(({ message }) => message?.[0] === "Auth");
        assertEquals(
          await kind.engine.get(SMUGGLED_KEY),
          isIn ? "v" : undefined,
        );
      }),
      { numRuns: 500 },
    );
  });

  Deno.test(`${name} ends a connection for each opening of another protocol`, async () => {
    using kind = makeKind();
    const smuggled = encoder.encode(SMUGGLED);
    for (const [protocol, opening] of OPENINGS) {
      for (const lengths of [[1], [1_000_000], [opening.length]]) {
        const session = new Dialogue(kind.make());
        const pieces = cutAt(joined(opening, smuggled), lengths);
        const answers = await converse(session, pieces);
        assertEquals(errorsIn(answers), [true], protocol);
        assert(session.isBroken, protocol);
        assertEquals(await kind.engine.get(SMUGGLED_KEY), undefined, protocol);
      }
    }
  });

  Deno.test(`${name} goes on after a first request that is wrong`, async () => {
    using kind = makeKind();
    for (
      const first of [
        "{}",
        '{"a":1,"b":2}',
        '{"Nothing":{}}',
        '{"Get":{}}',
        '{"Get":{"key":1}}',
        '\r\n \n{\n"Get" :\n{}}',
      ]
    ) {
      await kind.engine.remove(SMUGGLED_KEY);
      const input = encoder.encode(`${first}\nnonsense\n[1]${SMUGGLED}`);
      const session = new Dialogue(kind.make());
      assertEquals(
        errorsIn(await converse(session, cutAt(input, [1_000]))),
        [true, true, true, false],
      );
      assertEquals(session.isBroken, false);
      assertEquals(await kind.engine.get(SMUGGLED_KEY), "v");
    }
  });

  Deno.test(`${name} holds no first line without an end`, async () => {
    using kind = makeKind();
    const session = new Dialogue(kind.make());
    const piece = new Uint8Array(1_000).fill(0x61);
    assertEquals(errorsIn(await converse(session, [piece])), [true]);
    assert(session.isBroken);
    assert(session.requests.heldBytes < 64 * 1024);
  });

  Deno.test(`${name} tells who speaks HTTP or TLS`, async () => {
    using kind = makeKind();
    const told = (name: string) =>
      converse(new Dialogue(kind.make()), [OPENINGS.get(name)!]);
    assertEquals(
      await told("HTTP with a brace"),
      '{"Err":"This port does not speak HTTP"}\n',
    );
    assertEquals(
      await told("TLS"),
      '{"Err":"This port does not speak TLS"}\n',
    );
    assertEquals(
      await told("SSH"),
      '{"Err":"A connection must begin with a JSON object"}\n',
    );
  });
}
