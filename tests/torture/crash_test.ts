import { assert, assertEquals } from "@std/assert";
import type { SyncMode } from "../../engine/engine.ts";
import { KvStore } from "../../engine/kvs/store/store.ts";
import { Random, TempDirectory } from "../engine/kvs/_helpers.ts";
import { keyOf, versionOf } from "../engine/kvs/_versions.ts";
import { type CrashTask, STORE_OPTIONS } from "./_crash_child.ts";
import { seed, setting } from "./_settings.ts";

const SYNC_MODES: readonly SyncMode[] = ["always", "everysec", "no"];
const WRITERS = 3;
const KEYS = 150;

/** The longest that a process may take to start or to close its store. */
const TIMEOUT_MS = 60_000;

/** The version of each key of a writer; 0 where it is not there. */
type Versions = number[];

/** What a writer's journal says: its writes, and how many are acknowledged. */
interface Journal {
  readonly writes: { key: number; version: number }[];
  readonly acknowledged: number;
}

function readJournal(path: string): Journal {
  const writes: { key: number; version: number }[] = [];
  let acknowledged = 0;
  let text = "";
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  // What is behind the last newline was cut off in the middle of a write to
  // the journal, before the write to the store.
  for (const line of text.slice(0, text.lastIndexOf("\n") + 1).split("\n")) {
    const [what, key, version] = line.split(" ");
    if (what === "w") writes.push({ key: +key, version: +version });
    if (what === "a") acknowledged = writes.length;
  }
  return { writes, acknowledged };
}

/** What is there of a writer's keys. */
function versionsIn(store: KvStore, writer: number): Versions {
  return Array.from({ length: KEYS }, (_, n) => {
    const key = keyOf(writer, n);
    const value = store.get(key);
    return value === undefined ? 0 : versionOf(key, value);
  });
}

/**
 * Checks what is left of a writer's keys: all of its writes up to some moment
 * after the last acknowledgement, and nothing of the later ones.
 */
function checkVersions(
  found: Versions,
  before: Versions,
  { writes, acknowledged }: Journal,
  writer: number,
): void {
  const expected = before.slice();
  let differing = 0;
  found.forEach((version, key) => {
    if (version !== expected[key]) differing++;
  });
  for (let done = 0; done <= writes.length; done++) {
    if (done >= acknowledged && differing === 0) return;
    if (done === writes.length) break;
    const { key, version } = writes[done];
    if (found[key] === expected[key]) differing++;
    expected[key] = version;
    if (found[key] === expected[key]) differing--;
  }
  const acknowledgedState = before.slice();
  for (const { key, version } of writes.slice(0, acknowledged)) {
    acknowledgedState[key] = version;
  }
  const wrong = found.flatMap((version, key) =>
    version === acknowledgedState[key]
      ? []
      : [`key ${key}: ${version}, acknowledged ${acknowledgedState[key]}`]
  );
  throw new Error(
    `Writer ${writer} has ${writes.length} writes, ${acknowledged} of them acknowledged, and finds ${
      wrong.join("; ")
    }; not acknowledged: ${JSON.stringify(writes.slice(acknowledged))}`,
  );
}

/** Runs a process over the store, and kills it at some moment. */
async function runAndKill(task: CrashTask, random: Random): Promise<void> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-config",
      "--no-lock",
      "--no-check",
      "--allow-read",
      "--allow-write",
      "--allow-sys",
      new URL("./_crash_child.ts", import.meta.url).href,
      JSON.stringify(task),
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stderr = new Response(child.stderr).text();
  // A process that has ended by itself cannot be killed: its status tells how.
  const kill = () => {
    try {
      child.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
  };
  const timeout = setTimeout(kill, TIMEOUT_MS);
  const stdin = child.stdin.getWriter();
  let output = "";
  try {
    const sleep = (ms: number) =>
      new Promise((resolve) => setTimeout(resolve, ms));
    const choice = random.below(10);
    if (choice === 0) {
      // While it starts and opens the store, or soon after.
      await sleep(random.below(400));
      kill();
    }
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      output += decoder.decode(chunk);
      // A process that was killed already may have said so before.
      if (choice !== 0 && output.endsWith("ready\n")) {
        await sleep(random.below(250));
        if (choice <= 2) {
          // Asked to close the store it may come to write a snapshot. Should it
          // have died, its status tells more than the pipe does.
          await stdin.write(Uint8Array.of(10)).catch(() => {});
          if (choice === 1) continue;
          await sleep(random.below(60));
        }
        kill();
      }
    }
    const { signal, code } = await child.status;
    assertEquals(await stderr, "");
    assert(signal === "SIGKILL" || code === 0, `code ${code}`);
  } finally {
    clearTimeout(timeout);
    await stdin.abort().catch(() => {});
    await child.status;
  }
}

Deno.test("KvStore keeps every acknowledged write through kill -9", async () => {
  const rounds = setting("KVS_TORTURE_ROUNDS", 100);
  const runSeed = seed();
  const random = new Random(runSeed);
  using temporary = new TempDirectory();
  const directory = `${temporary.path}/data`;
  const journals = `${temporary.path}/journal-`;
  let states: Versions[] = Array.from(
    { length: WRITERS },
    () => new Array(KEYS).fill(0),
  );
  let acknowledged = 0;
  let compactions = 0;
  for (let round = 1; round <= rounds; round++) {
    const task: CrashTask = {
      directory,
      sync: SYNC_MODES[round % SYNC_MODES.length],
      writers: WRITERS,
      keys: KEYS,
      firstVersion: round * 1_000_000,
      seed: runSeed + round * 100,
      journals,
    };
    await runAndKill(task, random);
    const store = KvStore.open(directory, STORE_OPTIONS);
    try {
      const found = states.map((before, writer) => {
        const journal = readJournal(`${journals}${writer}`);
        const versions = versionsIn(store, writer);
        checkVersions(versions, before, journal, writer);
        acknowledged += journal.acknowledged;
        return versions;
      });
      const size = found.flat().filter((version) => version !== 0).length;
      assertEquals(store.size, size);
      if (random.below(4) === 0) {
        await store.compact();
        compactions++;
        assertEquals(
          states.map((_, writer) => versionsIn(store, writer)),
          found,
        );
      }
      states = found;
    } catch (cause) {
      throw new Error(`In round ${round}, sync ${task.sync}`, { cause });
    } finally {
      await store.close();
    }
    for (let writer = 0; writer < WRITERS; writer++) {
      await Deno.remove(`${journals}${writer}`).catch(() => {});
    }
  }
  console.log(
    `${rounds} rounds, ${acknowledged} writes acknowledged, ${compactions} compactions afterwards`,
  );
  assert(rounds < 20 || acknowledged > rounds * 10);
});
