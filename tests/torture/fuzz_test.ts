/**
 * Random input, in this process and against servers.
 *
 * KVS_TORTURE_FUZZ sets how many inputs there are. A failure names the seed
 * and the number of an input: KVS_TORTURE_SEED and KVS_TORTURE_FUZZ_FROM set
 * to these repeat it.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { POOL_STRATEGIES } from "../../pool/pool.ts";
import type { ServerProcess } from "../e2e/_kvs.ts";
import { connect, get, lines, receive } from "../e2e/_tcp.ts";
import { Random } from "../engine/kvs/_helpers.ts";
import {
  fuzzBroken,
  fuzzCuts,
  fuzzExecute,
  fuzzSpellings,
} from "../protocol/_fuzz_requests.ts";
import { cut, makeInput } from "../protocol/_input.ts";
import { attack, sleep, untilHungUp } from "./_attack.ts";
import type { FuzzTask } from "./_fuzz_worker.ts";
import { seed, setting } from "./_settings.ts";

const INPUTS = setting("KVS_TORTURE_FUZZ", 1_000_000);
const FIRST = setting("KVS_TORTURE_FUZZ_FROM", 0);

/** How long to talk to a server of each pool, in milliseconds. */
const TALK_MS = setting("KVS_TORTURE_FUZZ_MS", 6_000);

/** How many talk to a server at a time. */
const CLIENTS = 24;

const encoder = new TextEncoder();

Deno.test(`RequestBuffer makes of ${INPUTS} random inputs what a plain reading of the protocol does`, async () => {
  const share = Math.ceil(INPUTS / navigator.hardwareConcurrency);
  const tasks: FuzzTask[] = [];
  const task = { seed: seed(), count: share };
  for (let first = 0; first < INPUTS; first += share) {
    tasks.push({ ...task, first: FIRST + first });
  }
  assertEquals(
    (await Promise.all(tasks.map(runTask))).filter(Boolean).join("\n"),
    "",
  );
});

/** Has a Worker do a task, and returns what was wrong, if anything. */
async function runTask(task: FuzzTask): Promise<string | undefined> {
  const worker = new Worker(new URL("./_fuzz_worker.ts", import.meta.url), {
    type: "module",
  });
  try {
    return await new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message));
      };
      worker.postMessage(task);
    });
  } finally {
    worker.terminate();
  }
}

Deno.test("decodeRequest() understands every spelling of every request", () =>
  fuzzSpellings(Math.ceil(INPUTS / 100)));

Deno.test("decodeRequest() decodes broken input as the general decoder does", () =>
  fuzzBroken(Math.ceil(INPUTS / 100)));

Deno.test("RequestBuffer finds the same requests however the stream is cut", () =>
  fuzzCuts(Math.ceil(INPUTS / 200)));

Deno.test("execute() answers as a Map would, on any engine, in any pieces", () =>
  fuzzExecute(Math.ceil(INPUTS / 500)));

attack("random input", {
  pools: POOL_STRATEGIES,
  maxMemoryBytes: 768 * 1024 * 1024,
}, async (server) => {
  const first = seed();
  const deadline = performance.now() + TALK_MS;
  let talks = 0;
  let answers = 0;
  await Promise.all(Array.from({ length: CLIENTS }, async (_, client) => {
    const random = new Random(first + client);
    while (performance.now() < deadline) {
      const count = await talk(server, random);
      answers += count;
      talks++;
    }
  }));
  console.log(`${talks} connections, ${answers} answers`);
  assert(answers > 0, "Nobody was answered");
});

/** What is sent last: whatever came before, this is a request. */
const LAST = `\n${lines(get("probe"))}`;

/**
 * Sends random input over a connection, and ends it one way or another.
 *
 * @returns How many answers there were.
 */
async function talk(server: ServerProcess, random: Random): Promise<number> {
  using conn = await connect(server.addr);
  let received = "";
  const receiving = untilHungUp(async () => {
    for (let some; (some = await receive(conn, 1)) !== "";) received += some;
  });
  // A client that closes its end while it reads.
  receiving.catch(() => {});
  const inputs = Array.from({ length: 1 + random.below(8) }, () => {
    return cut(makeInput(random), random);
  });
  // Otherwise the connection most likely ends with its first line.
  const hasBegun = random.below(2) === 0;
  if (hasBegun) inputs.unshift([encoder.encode(lines(get("probe")))]);
  await untilHungUp(async () => {
    for (const piece of inputs.flat()) {
      await sendAll(conn, piece);
      if (random.below(20) === 0) await sleep(random.below(4));
    }
  });
  const ending = random.below(4);
  // With answers unread or under way, that is a reset.
  if (ending === 0) return 0;
  const isSynced = ending > 1;
  await untilHungUp(async () => {
    if (isSynced) await sendAll(conn, encoder.encode(LAST));
    await conn.closeWrite();
  });
  await receiving;
  assertMatch(received, /^(\{"(Ok|Err)":[^\n]+\}\n)*$/);
  const answers = received.split("\n").slice(0, -1);
  for (const answer of answers) assertAnswer(JSON.parse(answer));
  if (isSynced && hasBegun && !received.includes("does not speak HTTP")) {
    assertEquals(answers.at(-1), '{"Ok":"here"}');
  }
  return answers.length;
}

function assertAnswer(answer: Record<string, unknown>): void {
  const [[name, value], ...more] = Object.entries(answer);
  assertEquals(more, []);
  if (name === "Err") assert(typeof value === "string" && value !== "");
  else assertEquals(name, "Ok");
}

async function sendAll(conn: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let left = bytes; left.length > 0;) {
    left = left.subarray(await conn.write(left));
  }
}
