import { assertEquals, assertRejects } from "@std/assert";
import { DataDirectory } from "../../engine/directory.ts";
import { attachEngine, openEngine } from "../../engine/open.ts";
import { ReadOnlyStore } from "../../engine/kvs/store/read_only_store.ts";
import { KvStore } from "../../engine/kvs/store/store.ts";
import { LevelEngine } from "../../engine/level/level_engine.ts";

/** Options as a program without types may give them. */
// deno-lint-ignore no-explicit-any
type Untyped = any;

const SYNC = "Option sync must be one of always, everysec, no, found";
const BYTES = "must be a whole number of bytes from";

type Case = [
  options: unknown,
  kind: typeof TypeError | typeof RangeError,
  message: string,
];

/** Options that every opener refuses, but for what it does not take. */
const SHARED: readonly Case[] = [
  [null, TypeError, "Option options must be an object, found null"],
  ["fast", TypeError, 'Option options must be an object, found "fast"'],
];
const SYNC_CASES: readonly Case[] = [
  [{ sync: "sometimes" }, TypeError, `${SYNC} "sometimes"`],
  [{ sync: "Always" }, TypeError, `${SYNC} "Always"`],
  [{ sync: true }, TypeError, `${SYNC} true`],
  [{ sync: null }, TypeError, `${SYNC} null`],
  [{ sync: ["no"] }, TypeError, `${SYNC} an array`],
  [
    { onFailure: "log" },
    TypeError,
    'Option onFailure must be a function, found "log"',
  ],
];
const READ_CASES: readonly Case[] = [
  ...[1_000, 2 ** 34 + 1, 2 ** 20 + 0.5, NaN, -1, Infinity].map((
    indexBytes,
  ): Case => [
    { indexBytes },
    RangeError,
    `Option indexBytes ${BYTES} 262144 to 17179869184, found ${indexBytes}`,
  ]),
  [
    { indexBytes: "64M" },
    TypeError,
    `Option indexBytes ${BYTES} 262144 to 17179869184, found "64M"`,
  ],
  ...[-1, 2 ** 32 + 1, 0.5, NaN].map((cacheBytes): Case => [
    { cacheBytes },
    RangeError,
    `Option cacheBytes ${BYTES} 0 to 4294967296, found ${cacheBytes}`,
  ]),
  [
    { cacheBytes: 1n },
    TypeError,
    `Option cacheBytes ${BYTES} 0 to 4294967296, found 1`,
  ],
  [
    { onDamage: {} },
    TypeError,
    "Option onDamage must be a function, found an object",
  ],
];
const STORE_CASES: readonly Case[] = [
  ...SYNC_CASES,
  ...READ_CASES,
  [
    { segmentBytes: 100 },
    RangeError,
    `Option segmentBytes ${BYTES} 4096 to 1073741824, found 100`,
  ],
  [
    { compactAtBytes: -1 },
    RangeError,
    `Option compactAtBytes ${BYTES} 0 to ${Number.MAX_SAFE_INTEGER}, found -1`,
  ],
  [
    { compactAtBytes: "32M" },
    TypeError,
    `Option compactAtBytes ${BYTES} 0 to ${Number.MAX_SAFE_INTEGER}, found "32M"`,
  ],
];
const ENGINE_CASES: readonly Case[] = [
  ...SYNC_CASES,
  [
    { engine: "sled" },
    TypeError,
    'Option engine must be one of kvs, level, found "sled"',
  ],
  [
    { create: "yes" },
    TypeError,
    'Option create must be a boolean, found "yes"',
  ],
  [{ kvs: null }, TypeError, "Option kvs must be an object, found null"],
  ...STORE_CASES.map(([kvs, kind, message]): Case => [{ kvs }, kind, message]),
];

const OPENERS: readonly {
  readonly name: string;
  readonly cases: readonly Case[];
  readonly open: (path: string, options: Untyped) => unknown;
}[] = [
  { name: "KvStore.open()", cases: STORE_CASES, open: KvStore.open },
  {
    name: "ReadOnlyStore.open()",
    cases: READ_CASES,
    open: (path, options) => ReadOnlyStore.open(path, options),
  },
  { name: "openEngine()", cases: ENGINE_CASES, open: openEngine },
  {
    name: "LevelEngine.openIn()",
    cases: SYNC_CASES,
    open: async (path, options) => {
      using owned = DataDirectory.open(`${path}_level`, {
        engine: "level",
        create: true,
      });
      return await LevelEngine.openIn(owned, options);
    },
  },
];

for (const { name, cases, open } of OPENERS) {
  Deno.test(`${name} names the option that is wrong, and its value`, async () => {
    const root = Deno.makeTempDirSync({ prefix: "kvs_options_" });
    try {
      for (const [options, kind, message] of [...SHARED, ...cases]) {
        const error = await assertRejects(
          async () => {
            await open(`${root}/data`, options);
          },
          kind,
        );
        assertEquals(error.message, message);
      }
      // Nothing was made before the options were looked at.
      assertEquals(
        [...Deno.readDirSync(root)].map(({ name }) => name)
          .filter((name) => name !== "data_level"),
        [],
      );
    } finally {
      Deno.removeSync(root, { recursive: true });
    }
  });
}

Deno.test("attachEngine() refuses a handle of no engine", async () => {
  const handle: Untyped = { engine: "sled" };
  await assertRejects(
    () => attachEngine(handle),
    TypeError,
    'Option handle.engine must be one of kvs, level, found "sled"',
  );
});

Deno.test("KvStore.open() takes the least and the most of each option", async () => {
  const root = Deno.makeTempDirSync({ prefix: "kvs_options_" });
  try {
    for (
      const options of [
        { cacheBytes: 0, compactAtBytes: 0, segmentBytes: 4096 },
        { indexBytes: 2 ** 18, compactAtBytes: Infinity },
        { sync: undefined, indexBytes: undefined, onDamage: undefined },
      ]
    ) {
      const store = KvStore.open(`${root}/data`, options);
      await store.set("k", "v");
      assertEquals(store.get("k"), "v");
      await store.close();
    }
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});
