import { assert } from "@std/assert";
import { ConnectionError, KvsClient } from "../../client.ts";
import { ENGINE_NAMES } from "../../engine/directory.ts";
import type { EngineName, SyncMode } from "../../engine/engine.ts";
import { POOL_STRATEGIES, type PoolStrategy } from "../../pool/pool.ts";
import { ServerProcess } from "../e2e/_kvs.ts";
import { filesOf, Random, TempDirectory } from "../engine/kvs/_helpers.ts";
import { assertLinearizable } from "../linearizability/_assert.ts";
import {
  ask,
  type Client,
  KEYS,
  oneShotClient,
  persistentClient,
} from "./_clients.ts";
import { Recorder } from "./_recorder.ts";
import { seed, setting } from "./_settings.ts";

/** Multiplies the number of servers that live and die in a run. */
const SCALE = setting("KVS_TORTURE_SCALE", 1);
const ROUNDS = 3;

const SYNC_MODES: readonly SyncMode[] = ["always", "everysec", "no"];
/** Small ones come and go; of large ones more is alive when they are copied. */
const SEGMENT_SIZES = ["16K", "128K", "1M"];
const ONE_SHOT_CLIENTS = 3;
const PERSISTENT_CLIENTS = 5;

/** How long a server lives, in milliseconds. */
const SHORTEST_LIFE_MS = 1_500;
const LONGEST_LIFE_MS = 2_500;

/** Makes a server compact without pause. */
const compactor: Client = {
  async use(addr) {
    using client = await KvsClient.connect(addr);
    for (;;) {
      await client.compact();
      await sleep(5);
    }
  },
};

/** How many segments of engine kvs have come and gone. */
function compactedSegments(directory: string): number {
  const ids = filesOf(directory, ".log").map((name) => parseInt(name));
  return Math.max(...ids) - ids.length;
}

/** Lets clients use a server until it gets a signal in the midst of it. */
async function liveAndDie(
  server: ServerProcess,
  clients: readonly Client[],
  recorder: Recorder,
  lifeMs: number,
  signal: Deno.Signal,
): Promise<void> {
  const uses = clients.map((client) => client.use(server.addr));
  const ends = Promise.allSettled(uses);
  try {
    // Nothing else than its server's end ends a client.
    await Promise.race([sleep(lifeMs), ...uses]);
  } catch (cause) {
    throw new Error(`A client failed; the server logged:\n${server.log}`, {
      cause,
    });
  }
  server.signal(signal);
  const { code } = await server.end();
  assert(signal === "SIGKILL" || code === 0, `code ${code}: ${server.log}`);
  for (const end of await ends) {
    if (end.status === "rejected" && !isLoss(end.reason)) throw end.reason;
  }
  // All that a kill may leave is an unfinished write.
  for (const line of server.log.trimEnd().split("\n")) {
    assert(line.includes(" INFO ") || line.includes("unfinished write"), line);
  }
  recorder.endServer();
}

function isLoss(error: unknown): boolean {
  return error instanceof ConnectionError ||
    error instanceof Error && Object.hasOwn(Deno.errors, error.name);
}

async function readAll(addr: string, recorder: Recorder): Promise<void> {
  using client = await KvsClient.connect(addr);
  const session = recorder.newSession();
  await Promise.all(KEYS.map((key) => {
    const request = { key, action: { kind: "get", value: undefined } } as const;
    return recorder.record(request, session, () => ask(client, request));
  }));
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function torture(engine: EngineName, pool: PoolStrategy): Promise<void> {
  const random = new Random(seed());
  using temporary = new TempDirectory();
  const directory = `${temporary.path}/data`;
  const start = (sync: SyncMode, segmentSize: string) =>
    ServerProcess.start(
      ...["--dir", directory, "--engine", engine],
      ...["--pool", pool, "--threads", "3", "--sync", sync],
      ...["--segment-size", segmentSize, "--compact-at", "8K"],
      ...["--index-size", "4M", "--cache-size", "64K"],
    );
  const recorder = new Recorder();
  const clients = [
    compactor,
    ...Array.from(
      { length: ONE_SHOT_CLIENTS },
      (_, i) => oneShotClient(`one-shot ${i}`, random.below(2 ** 31), recorder),
    ),
    ...Array.from(
      { length: PERSISTENT_CLIENTS },
      (_, i) =>
        persistentClient(`persistent ${i}`, random.below(2 ** 31), recorder),
    ),
  ];
  for (let round = 0; round < ROUNDS * SCALE; round++) {
    await using server = await start(
      SYNC_MODES[round % SYNC_MODES.length],
      SEGMENT_SIZES[random.below(SEGMENT_SIZES.length)],
    );
    const lifeMs = SHORTEST_LIFE_MS +
      random.below(LONGEST_LIFE_MS - SHORTEST_LIFE_MS);
    const signal = random.below(4) === 0 ? "SIGTERM" : "SIGKILL";
    // Starting a Worker for each batch takes its time.
    const patience = pool === "naive" ? 2 : 1;
    await liveAndDie(server, clients, recorder, lifeMs * patience, signal);
  }
  await using server = await start("always", "64K");
  await readAll(server.addr, recorder);
  const { history } = recorder;
  const answered = history.filter(({ answered }) => answered).length;
  console.log(`${answered} answered, ${history.length - answered} lost`);
  assert(answered > 50, "too little was done");
  if (engine === "kvs") {
    const compacted = compactedSegments(directory);
    console.log(`${compacted} segments compacted`);
    assert(compacted > 0, "too short for a compaction");
  }
  assertLinearizable(history);
}

for (const engine of ENGINE_NAMES) {
  for (const pool of POOL_STRATEGIES) {
    Deno.test(`kvs serve is linearizable through kill -9 (${engine}, ${pool})`, () =>
      torture(engine, pool));
  }
}
