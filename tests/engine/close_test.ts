import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ENGINE_NAMES } from "../../engine/directory.ts";
import type { KvsEngine } from "../../engine/engine.ts";
import { ClosedError } from "../../engine/errors.ts";
import { attachEngine, openEngine, openSnapshot } from "../../engine/open.ts";

const key = new Uint8Array([1]);

/** What every method of an engine is called with, by its name. */
const ARGUMENTS: Readonly<Record<string, readonly unknown[]>> = {
  get: ["k"],
  set: ["k", "v"],
  remove: ["k"],
  getBytes: [key],
  viewBytes: [key],
  scan: [{}],
  write: [[{ key, value: key }, { key, value: undefined }]],
  sync: [],
  compact: [],
  stats: [],
  share: [],
};

async function assertRefusesAll(engine: KvsEngine): Promise<void> {
  const names = [];
  const prototype: unknown = Object.getPrototypeOf(engine);
  const members = Object.getOwnPropertyDescriptors(prototype);
  for (const [name, { get, value }] of Object.entries(members)) {
    if (get !== undefined) {
      assertThrows(() => get.call(engine), ClosedError, "Store is closed");
    } else if (typeof value !== "function") continue;
    else if (name !== "constructor" && name !== "close") names.push(name);
  }
  for (const name of Object.keys(ARGUMENTS)) assert(names.includes(name), name);
  for (const name of names) {
    const args = ARGUMENTS[name];
    assert(args !== undefined, `what is ${name}() to be called with?`);
    const method: unknown = Reflect.get(engine, name);
    assert(typeof method === "function");
    await assertRejects(
      async () => await Reflect.apply(method, engine, args),
      ClosedError,
      "Store is closed",
      `${name}()`,
    );
  }
  // A second time it is no error, and changes nothing.
  await engine.close();
}

for (const name of ENGINE_NAMES) {
  const test = (
    sentence: string,
    body: (store: KvsEngine, path: string) => Promise<void>,
  ) =>
    Deno.test(`${sentence} (${name})`, async () => {
      const path = Deno.makeTempDirSync({ prefix: "kvs_close_" });
      const store = await openEngine(path, { engine: name, create: true });
      await store.set("k", "before");
      try {
        await body(store, path);
      } finally {
        await store.close();
        Deno.removeSync(path, { recursive: true });
      }
    });

  test(
    "KvsEngine.close() lets no method do anything more",
    async (store, path) => {
      await store.close();
      await assertRefusesAll(store);
      // Whoever opens the directory next has it alone.
      const next = await openEngine(path);
      try {
        await assertRefusesAll(store);
        assertEquals(await next.get("k"), "before");
        await next.set("k", "after");
      } finally {
        await next.close();
      }
    },
  );

  test("KvsEngine.close() ends an attached instance, and no other", async (store) => {
    const [one, other] = [
      await attachEngine(store.share()),
      await attachEngine(store.share()),
    ];
    await one.close();
    await assertRefusesAll(one);
    await other.set("k", "after");
    assertEquals(await store.get("k"), "after");
    await other.close();
    await assertRefusesAll(other);
  });

  test(
    "KvsEngine.close() of the instance that opened a store ends all others",
    async (store, path) => {
      const handle = store.share();
      const attached = await attachEngine(handle);
      await store.close();
      await assertRefusesAll(attached);
      await assertRejects(() => attachEngine(handle), ClosedError);
      const next = await openEngine(path);
      try {
        await assertRefusesAll(attached);
        assertEquals(await next.get("k"), "before");
      } finally {
        await next.close();
      }
    },
  );

  test("EngineSnapshot.close() lets it show nothing more", async (store) => {
    const snapshot = await openSnapshot(store.share());
    assertEquals((await snapshot.scan({})).entries.length, 1);
    await snapshot.close();
    await assertRejects(() => snapshot.scan({}), ClosedError, "Snapshot");
    await snapshot.close();
    assertEquals(await store.get("k"), "before");
  });
}
