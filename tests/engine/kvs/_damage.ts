/**
 * Lives of stores whose files are damaged at some moment.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { checkStore, repairStore } from "../../../engine/kvs/store/check.ts";
import { hintName } from "../../../engine/kvs/log/hint.ts";
import { encodeRecord, recordLength } from "../../../engine/kvs/log/record.ts";
import { CorruptionError } from "../../../engine/errors.ts";
import { scanSegment, segmentPath } from "../../../engine/kvs/log/segment.ts";
import { writeCheckpoint } from "../../../engine/kvs/store/checkpoint.ts";
import { assertNoLies, type History, look, lookBytes } from "./_corruption.ts";
import { FaultyDisk } from "./_fault_injection.ts";
import {
  bytes,
  filesOf,
  latin1,
  MEMORY,
  Random,
  TempDirectory,
  text,
} from "./_helpers.ts";
import { TestStore } from "./_test_store.ts";

const KEYS = 12;

/** A store of which each value that it ever had is known. */
class Life implements Disposable {
  readonly random: Random;
  readonly history: History = new Map();
  readonly options: { segmentBytes: number; indexBytes: number };
  store: TestStore;
  /** Whether anybody was told that the files are not what was written. */
  isReported = false;
  /** Bytes in values that look like a record. */
  readonly embedded: string[] = [];
  readonly #directory = new TempDirectory(MEMORY);
  readonly #disk = new FaultyDisk(this.#directory.path);

  constructor(random: Random) {
    this.random = random;
    this.options = {
      segmentBytes: 200 + random.below(1_500),
      indexBytes: 2 ** 18,
    };
    this.store = new TestStore(this.path, this.options);
  }

  get path(): string {
    return this.#directory.path;
  }

  /** Writes to a key, and tells which. */
  write(): string {
    const { random, history } = this;
    const key = `key ${random.below(KEYS)}`;
    const value = random.below(4) === 0 ? undefined : this.#value();
    const [outcome] = this.store.write([key, value]);
    assert(!(outcome instanceof Error), `${outcome}`);
    history.set(key, [...history.get(key) ?? [undefined], value]);
    return key;
  }

  /** A value, now and then one that holds the bytes of a record. */
  #value(): string {
    const { random, store } = this;
    const filler = `${store.log.sequence} ${"x".repeat(random.below(150))}`;
    if (random.below(8) > 0) return filler;
    const key = bytes(`key ${random.below(KEYS)}`);
    const record = new Uint8Array(recordLength(key.length, 4));
    // Of those that are text, so that they come back as they were written.
    for (let i = 0; i < 2_000; i++) {
      const sequence = 1 + random.below(2 ** 31);
      const evil = bytes(`e${random.below(900) + 100}`);
      encodeRecord(record, 0, sequence, key, evil);
      if (record.every((byte) => byte < 0x80)) {
        this.embedded.push(latin1(record));
        return `${filler}${latin1(record)}${filler}`;
      }
    }
    return filler;
  }

  compact(): void {
    try {
      this.store.compact(this.random.below(3) > 0 ? "all" : "worthwhile");
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
      this.isReported = true;
    }
  }

  reopen(): void {
    this.store[Symbol.dispose]();
    this.store = new TestStore(this.path, this.options);
    if (this.store.damage.length > 0) this.isReported = true;
  }

  /** Writes the checkpoint of the index, as a clean stop does. */
  stop(): void {
    writeCheckpoint(this.store.log, this.store.index);
    this.reopen();
  }

  step(): void {
    const chance = this.random.below(40);
    if (chance === 0) this.compact();
    else if (chance === 1) this.reopen();
    else if (chance === 2) this.stop();
    else this.write();
  }

  [Symbol.dispose](): void {
    this.store[Symbol.dispose]();
    this.#disk[Symbol.dispose]();
    this.#directory[Symbol.dispose]();
  }
}

/** The newest record of a key, which was sound before the damage. */
interface Live {
  readonly record: Uint8Array;
  readonly segment: number;
  readonly offset: number;
}

function liveRecords({ store, path }: Life): Map<string, Live> {
  const live = new Map<string, Live>();
  for (const { key, pointer } of store.index.page(2 ** 10)) {
    const { segment, offset, length } = pointer;
    const content = Deno.readFileSync(segmentPath(path, segment));
    const record = content.slice(offset, offset + length);
    live.set(text(key), { record, segment, offset });
  }
  return live;
}

/** Those whose bytes are where they were. */
function intactRecords(
  path: string,
  live: ReadonlyMap<string, Live>,
): Map<string, Live> {
  const intact = new Map<string, Live>();
  for (const [key, record] of live) {
    const content = Deno.readFileSync(segmentPath(path, record.segment));
    const { offset } = record;
    const found = content.subarray(offset, offset + record.record.length);
    if (latin1(found) === latin1(record.record)) intact.set(key, record);
  }
  return intact;
}

/** All bytes of the log, those that a repair has set aside too. */
function allBytes(path: string): string {
  const read = (directory: string) =>
    filesOf(directory, ".log")
      .map((name) => latin1(Deno.readFileSync(`${directory}/${name}`)));
  let aside: string[] = [];
  try {
    aside = read(`${path}/damaged`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return [...read(path), ...aside].join("\n");
}

/** Where each record of a file begins, and the last one ends. */
function boundaries(path: string, id: number): Set<number> {
  const ends = new Set([16]);
  scanSegment(segmentPath(path, id), id, (_, offset, record) => {
    ends.add(offset + record.length);
  });
  return ends;
}

/** Whether a tombstone is in a file twice, as a crash may leave it. */
function hasTwins(path: string, id: number): boolean {
  const tombstones: number[] = [];
  scanSegment(segmentPath(path, id), id, (header, _offset, _record, sound) => {
    if (sound && header.tombstone) tombstones.push(header.sequence);
  });
  return new Set(tombstones).size < tombstones.length;
}

/** What harm was done, and whether the files that are left can show it. */
interface Harm {
  readonly what: string;
  readonly isVisible: boolean;
}

/** Harms a segment in one of the ways that disks and people do. */
function harm({ path, store, random, embedded }: Life): Harm {
  const id = store.ids[random.below(store.ids.length)];
  const ends = boundaries(path, id);
  const file = segmentPath(path, id);
  let content = Deno.readFileSync(file);
  // Those that lead exactly to a record are the ones that mislead.
  const places = random.below(2) === 0
    ? [...ends]
    : Array.from({ length: content.length }, (_, i) => i);
  const place = () => {
    const at = places[random.below(places.length)];
    const rest = latin1(content.subarray(at, at + 40));
    // Bytes of a value, moved exactly to where a record begins, are one.
    return embedded.some((record) => rest.startsWith(record)) ? at + 1 : at;
  };
  const at = place();
  const ways = ["flip", "flips", "zeros", "noise", "cut", "double", "append"];
  const way = ways[random.below(ways.length)];
  const length = 1 + random.below(120);
  if (way === "flip") {
    content[random.below(content.length)] ^= 1 << random.below(8);
  }
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
  if (way === "double") {
    const from = place();
    content.copyWithin(at, from, Math.max(from + 1, place()));
  }
  if (way === "append") {
    const longer = new Uint8Array(content.length + length);
    longer.set(content);
    longer.set(content.subarray(at, at + length), content.length);
    content = longer;
  }
  // One that has come to where a record begins, or to the end of one, can't be
  // told from one that was written there.
  const whole = latin1(content);
  const isEnd = (at: number) => at === content.length || ends.has(at);
  for (const record of embedded) {
    let at = whole.indexOf(record);
    for (; at >= 0; at = whole.indexOf(record, at + 1)) {
      if (isEnd(at) || isEnd(at + record.length)) content[at] ^= 1;
    }
  }
  Deno.writeFileSync(file, content);
  // Without a hint a file that is cut between two records looks as if it had
  // never been longer, and an empty one as if it had just been made.
  const isHinted = filesOf(path, ".hint").includes(hintName(id));
  // Nor can a tombstone be told that was written over a record of its length.
  const isVisible = (way !== "cut" || !ends.has(at) && at > 0 || isHinted) &&
    (way !== "double" || !hasTwins(path, id));
  return { what: `${way} at ${at} of ${id}.log`, isVisible };
}

function assertHolds(
  life: Life,
  intact: ReadonlyMap<string, Live>,
  isVisible: boolean,
  what: string,
): void {
  const { store, history, path } = life;
  for (const { key } of store.index.page(2 ** 10)) {
    if (history.has(text(key))) continue;
    const found = lookBytes(store, key);
    assert(found instanceof CorruptionError, `${what}: ${text(key)} is there`);
  }
  assertNoLies(store, history, what, life.isReported || !isVisible);
  const all = allBytes(path);
  for (const [key, { record }] of intact) {
    assert(all.includes(latin1(record)), `${what}: the last ${key} is gone`);
  }
}

/** Lets a store live, damages it, lives on with it, and repairs it. */
export function damageStore(seed: number): void {
  const random = new Random(seed);
  using life = new Life(random);
  for (let i = 30 + random.below(150); i > 0; i--) life.step();
  // A store without hints and a snapshot is all that the log says.
  if (random.below(2) === 0) {
    for (const name of [...filesOf(life.path, ".hint"), "INDEX"]) {
      try {
        Deno.removeSync(`${life.path}/${name}`);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  }
  const live = liveRecords(life);
  if (live.size === 0) return;
  const harms: Harm[] = [];
  for (let i = random.below(3); i >= 0; i--) harms.push(harm(life));
  const isVisible = harms.every(({ isVisible }) => isVisible);
  const what = harms.map(({ what }) => what).join(", ");
  const intact = intactRecords(life.path, live);
  try {
    life.reopen();
    assertHolds(life, intact, isVisible, "opened");
    for (let i = random.below(8); i > 0; i--) {
      const action = random.below(4);
      if (action === 0) life.compact();
      if (action === 1) life.reopen();
      if (action === 2) life.stop();
      if (action === 3) {
        for (let n = random.below(8); n > 0; n--) {
          // What is overwritten may go, and the key can be read again.
          const key = life.write();
          intact.delete(key);
          assertEquals(look(life.store, key), life.history.get(key)!.at(-1));
        }
      }
      assertHolds(life, intact, isVisible, `action ${action}`);
    }
    life.store[Symbol.dispose]();
    const report = checkStore(life.path);
    if (report.damage.length > 0) life.isReported = true;
    repairStore(life.path, report);
    assertEquals(checkStore(life.path).damage, [], "after the repair");
    life.store = new TestStore(life.path, life.options);
    assertHolds(life, intact, isVisible, "repaired");
    const more = life.store.damage.filter(({ reason }) =>
      !reason.includes("cut off")
    );
    assertEquals(more, [], "opened after the repair");
    // Between two places of a file it is not always known what is a record and
    // what a part of a value; it is set aside then.
    const isOnePlace = harms.length === 1 && !what.startsWith("flips");
    for (const [key, { record }] of isOnePlace ? intact : []) {
      const value = text(record.subarray(20 + bytes(key).length));
      assertEquals(look(life.store, key), value, `${key} after the repair`);
    }
    life.compact();
    assertHolds(life, intact, isVisible, "compacted after the repair");
  } catch (cause) {
    throw new Error(`Seed ${seed}: ${what}`, { cause });
  }
}
