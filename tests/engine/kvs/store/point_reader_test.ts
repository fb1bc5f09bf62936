import { assert, assertEquals, assertThrows } from "@std/assert";
import { PointReader } from "../../../../engine/kvs/store/point_reader.ts";
import { CorruptionError } from "../../../../engine/errors.ts";
import { segmentPath } from "../../../../engine/kvs/log/segment.ts";
import { SegmentReaders } from "../../../../engine/kvs/log/segment_readers.ts";
import { Keydir } from "../../../../engine/kvs/index/keydir.ts";
import { withSteps } from "../_steps.ts";
import { TempStore } from "../_test_store.ts";

/** A reader of a log as another Worker would have it. */
class TestReader extends PointReader implements Disposable {
  readonly #index: Keydir;

  constructor(store: TempStore, cacheBytes = 2 ** 20) {
    const index = Keydir.attach(store.index.buffer);
    const files = new SegmentReaders(store.directory);
    super(store.directory, index, cacheBytes, files);
    this.#index = index;
  }

  [Symbol.dispose](): void {
    this.cache.close();
    this.#index.detach();
  }
}

/** What a writer does to the key `k`, and the values that it then has. */
interface Burst {
  readonly act: (store: TempStore) => void;
  readonly values: readonly (string | undefined)[];
}

/** At first the value is this. */
const FIRST = "first";

const BURSTS: Record<string, Burst> = {
  "overwrites the key": {
    act: (store) => store.write(["k", "second"]),
    values: ["second"],
  },
  "overwrites it twice": {
    act: (store) => store.write(["k", "second"], ["k", "third"]),
    values: ["second", "third"],
  },
  "removes it": {
    act: (store) => store.write(["k"]),
    values: [undefined],
  },
  "removes it and sets it again": {
    act: (store) => store.write(["k"], ["k", "second"]),
    values: [undefined, "second"],
  },
  "compacts it": {
    act: (store) => store.compact(),
    values: [FIRST],
  },
  "compacts it and overwrites it": {
    act: (store) => {
      store.compact();
      store.write(["k", "second"]);
    },
    values: ["second"],
  },
};

/** A log with the key and something to compact. */
function logWithKey(): TempStore {
  const store = new TempStore({ segmentBytes: 4_096 });
  store.write(["k", FIRST], ["other", "x".repeat(3_000)]);
  store.write(["other", "y".repeat(3_000)]);
  return store;
}

for (const [name, { act, values }] of Object.entries(BURSTS)) {
  for (const isWarm of [false, true]) {
    const who = isWarm ? "who has read the key" : "who has not read the key";

    Deno.test(`PointReader.get() is right for ${who}, though a writer ${name} at any of its steps`, () => {
      for (let step = 1;; step++) {
        using store = logWithKey();
        using reader = new TestReader(store);
        if (isWarm) assertEquals(reader.get("k"), FIRST);
        let steps = 0;
        let found: string | undefined;
        withSteps(
          () => {
            if (++steps === step) act(store);
          },
          () => found = reader.get("k"),
        );
        assert([FIRST, values.at(-1)].includes(found), `step ${step}`);
        if (steps < step) break;
        // What comes after the burst sees it, and goes on to.
        for (let again = 0; again < 3; again++) {
          assertEquals(reader.get("k"), values.at(-1), `after step ${step}`);
        }
      }
    });
  }

  Deno.test(`PointReader.get() goes from one value to the next at the steps of a writer that ${name}`, () => {
    using store = logWithKey();
    // One always asks the index, the other has no need to at first.
    using asking = new TestReader(store, 0);
    using knowing = new TestReader(store);
    assertEquals(knowing.get("k"), FIRST);
    const order = [FIRST, ...values];
    let at = 0;
    let steps = 0;
    withSteps(() => {
      steps++;
      // In turn: what one has seen, the other must not take back.
      for (const reader of [asking, knowing, asking]) {
        const next = order.indexOf(reader.get("k"), at);
        assert(next >= at, `a value came back at step ${steps}`);
        at = next;
      }
    }, () => act(store));
    assert(steps > 0);
    assertEquals(asking.get("k"), values.at(-1));
    assertEquals(knowing.get("k"), values.at(-1));
  });
}

Deno.test("PointReader.get() neither needs the index nor the file for what it has read and nobody has written since", () => {
  using store = logWithKey();
  using reader = new TestReader(store);
  const stepsOf = (value: string) => {
    let steps = 0;
    withSteps(() => steps++, () => assertEquals(reader.get("k"), value));
    return steps;
  };
  assert(stepsOf(FIRST) > 1);
  // The version is all that it loads.
  assertEquals(stepsOf(FIRST), 1);
  // A copy of the record is the same record.
  store.compact();
  assertEquals(stepsOf(FIRST), 1);
  store.write(["k", "second"]);
  assert(stepsOf("second") > 1);
  assertEquals(stepsOf("second"), 1);
  store.write(["k"], ["k", "third"]);
  assert(stepsOf("third") > 1);
  assertEquals(stepsOf("third"), 1);
});

Deno.test("PointReader.get() gives up where a segment is missing that the index leads to", () => {
  using store = logWithKey();
  using reader = new TestReader(store);
  const [first] = store.ids;
  Deno.removeSync(segmentPath(store.directory, first));
  assertThrows(() => reader.get("k"), CorruptionError, "segment is missing");
});
