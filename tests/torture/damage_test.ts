import { assert } from "@std/assert";
import { CorruptionError } from "../../engine/errors.ts";
import { writeCheckpoint } from "../../engine/kvs/store/checkpoint.ts";
import { damageStore } from "../engine/kvs/_damage.ts";
import { FaultyDisk } from "../engine/kvs/_fault_injection.ts";
import {
  copyDirectory,
  filesOf,
  Random,
  TempDirectory,
} from "../engine/kvs/_helpers.ts";
import { TestStore } from "../engine/kvs/_test_store.ts";
import { seed, setting } from "./_settings.ts";

const OPTIONS = { segmentBytes: 4_096, indexBytes: 2 ** 19 };
const KEYS = 40;

/** Every value that a key ever had; `undefined` where it was not there. */
type History = Map<string, (string | undefined)[]>;

function keyOf(n: number): string {
  return `key ${n}`;
}

/** Lives for some time: writes, removals, compactions, openings. */
function live(directory: string, random: Random): History {
  const history: History = new Map();
  let store = new TestStore(directory, OPTIONS);
  const steps = 50 + random.below(250);
  for (let step = 0; step < steps; step++) {
    const key = keyOf(random.below(KEYS));
    const value = random.below(4) === 0
      ? undefined
      : `${step} ${"x".repeat(random.below(400))}`;
    store.write([key, value]);
    history.set(key, [...history.get(key) ?? [undefined], value]);
    const chance = random.below(60);
    if (chance === 0) store.compact("all");
    if (chance === 1) store.compact("worthwhile");
    if (chance === 2) {
      if (random.below(2) === 0) {
        writeCheckpoint(store.log, store.index);
      }
      store[Symbol.dispose]();
      store = new TestStore(directory, OPTIONS);
    }
  }
  store[Symbol.dispose]();
  return history;
}

/** Harms a file in one of the ways that disks and people do. */
function harm(path: string, random: Random): string {
  let content = Deno.readFileSync(path);
  const at = random.below(content.length);
  const ways = ["flip", "flips", "zeros", "noise", "cut", "move", "append"];
  const way = ways[random.below(ways.length)];
  const length = 1 + random.below(way === "zeros" ? 512 : 64);
  if (way === "flip") content[at] ^= 1 << random.below(8);
  if (way === "flips") {
    for (let i = 0; i < 5; i++) {
      content[random.below(content.length)] ^= 1 << random.below(8);
    }
  }
  if (way === "zeros") content.fill(0, at, at + length);
  if (way === "noise") {
    for (let i = at; i < Math.min(content.length, at + length); i++) {
      content[i] = random.below(256);
    }
  }
  if (way === "cut") content = content.slice(0, at);
  if (way === "move") content.copyWithin(at, random.below(content.length));
  if (way === "append") {
    const longer = new Uint8Array(content.length + length);
    longer.set(content);
    longer.set(content.subarray(at, at + length), content.length);
    content = longer;
  }
  Deno.writeFileSync(path, content);
  return `${way} at ${at} of ${path.slice(path.lastIndexOf("/") + 1)}`;
}

function look(
  store: TestStore,
  key: string,
): string | undefined | CorruptionError {
  try {
    return store.get(key);
  } catch (error) {
    if (error instanceof CorruptionError) return error;
    throw error;
  }
}

/** Checks that no key lies, and that no old value comes back in silence. */
function assertNoLies(
  store: TestStore,
  history: History,
  isReported: boolean,
): void {
  for (let n = 0; n < KEYS; n++) {
    const key = keyOf(n);
    const values = history.get(key) ?? [undefined];
    const found = look(store, key);
    if (found instanceof CorruptionError) continue;
    assert(values.includes(found), `${key} is ${found}, which it never was`);
    assert(
      found === values[values.length - 1] || isReported,
      `${key} is an old value, ${found}, and nothing was reported`,
    );
  }
}

Deno.test("A damaged store loses nothing that is sound", () => {
  const runSeed = seed();
  const rounds = setting("KVS_TORTURE_DAMAGES", 400) * 10;
  for (let round = 0; round < rounds; round++) damageStore(runSeed + round);
});

Deno.test("A harmed store tells no lies", () => {
  const rounds = setting("KVS_TORTURE_DAMAGES", 400);
  const runSeed = seed();
  let reported = 0;
  for (let round = 0; round < rounds; round++) {
    const random = new Random(runSeed + round);
    using directory = new TempDirectory();
    using _disk = new FaultyDisk(directory.path);
    const history = live(directory.path, random);
    const files = [".log", ".log", ".log", ".hint", "INDEX"]
      .map((extension) => filesOf(directory.path, extension))
      .filter(({ length }) => length > 0);
    const group = files[random.below(files.length)];
    const name = group[random.below(group.length)];
    const what = harm(`${directory.path}/${name}`, random);
    using copy = new TempDirectory();
    copyDirectory(directory.path, copy.path);
    try {
      using store = new TestStore(directory.path, OPTIONS);
      if (store.damage.length > 0) reported++;
      // Cut off between two records it looks as if it had never been longer.
      const isReported = store.damage.length > 0 || what.startsWith("cut");
      assertNoLies(store, history, isReported);
      let isCorrupt = false;
      try {
        store.compact();
      } catch (error) {
        if (!(error instanceof CorruptionError)) throw error;
        isCorrupt = true;
      }
      assertNoLies(store, history, isReported || isCorrupt);
      using again = new TestStore(directory.path, OPTIONS);
      // What the snapshot covered is read only now that it is gone.
      const isTold = isReported || isCorrupt || again.damage.length > 0;
      assertNoLies(again, history, isTold);
    } catch (cause) {
      throw new Error(`Seed ${runSeed + round}: ${what}`, { cause });
    }
  }
  console.log(
    `${rounds} stores harmed, ${reported} reported it as they opened`,
  );
});
