/**
 * Embedded stores under one interface, each used as its authors advise.
 *
 * @module
 */

import { ClassicLevel } from "classic-level";
import type { MaybePromise } from "../../engine/engine.ts";
import { KvStore } from "../../engine/kvs/store/store.ts";

/** The stores that can be compared. */
export type EmbeddedName = "kvs" | "classic-level" | "Deno KV" | "lmdb";

/** A key and its value. */
export type Pair = readonly [key: string, value: string];

/** A store in this process. */
export interface EmbeddedStore {
  get(key: string): MaybePromise<unknown>;
  set(key: string, value: string): MaybePromise<unknown>;
  /** Sets some keys in one step. */
  setAll(pairs: readonly Pair[]): MaybePromise<unknown>;
  close(): MaybePromise<void>;
}

/** What is used of lmdb, which is no dependency of this project. */
interface LmdbModule {
  open(options: {
    readonly path: string;
    readonly encoding: "string";
    readonly noSync: boolean;
  }): {
    get(key: string): string | undefined;
    put(key: string, value: string): Promise<boolean>;
    putSync(key: string, value: string): boolean;
    transactionSync(action: () => void): void;
    close(): Promise<void>;
  };
}

/** What is used of Deno KV, whose types are there only with --unstable-kv. */
interface DenoWithKv {
  openKv?(path: string): Promise<DenoKv>;
}

interface DenoKv {
  get(key: readonly string[]): Promise<unknown>;
  set(key: readonly string[], value: string): Promise<unknown>;
  atomic(): DenoKvAtomic;
  close(): void;
}

interface DenoKvAtomic {
  set(key: readonly string[], value: string): DenoKvAtomic;
  commit(): Promise<unknown>;
}

/** A variable, so that nobody has to have lmdb to check or run the rest. */
const LMDB: string = "npm:lmdb@^3";

/** Opens a store. */
export async function openEmbedded(
  name: EmbeddedName,
  dir: string,
  isDurable: boolean,
): Promise<EmbeddedStore> {
  switch (name) {
    case "kvs":
      return openKvs(dir, isDurable);
    case "classic-level":
      return await openLevel(dir, isDurable);
    case "Deno KV":
      return await openDenoKv(dir, isDurable);
    case "lmdb":
      return openLmdb(await import(LMDB), dir, isDurable);
  }
}

function openKvs(dir: string, isDurable: boolean): EmbeddedStore {
  const store = KvStore.open(dir, { sync: isDurable ? "always" : "no" });
  return {
    get: (key) => store.get(key),
    set: (key, value) => store.set(key, value),
    setAll(pairs) {
      const outcomes = store.write(
        pairs.map(([key, value]) => ({ key, value })),
      );
      const failure = outcomes.find((outcome) => outcome instanceof Error);
      if (failure !== undefined) throw failure;
      return store.sync();
    },
    close: () => store.close(),
  };
}

async function openLevel(
  dir: string,
  isDurable: boolean,
): Promise<EmbeddedStore> {
  const db = new ClassicLevel<string, string>(dir);
  await db.open();
  const options = { sync: isDurable };
  return {
    get: (key) => db.getSync(key),
    set: (key, value) => db.put(key, value, options),
    setAll: (pairs) =>
      db.batch(
        pairs.map(([key, value]) => ({ type: "put", key, value })),
        options,
      ),
    close: () => db.close(),
  };
}

async function openDenoKv(
  dir: string,
  isDurable: boolean,
): Promise<EmbeddedStore> {
  if (!isDurable) throw new Error("Deno KV has no writes that are not synced");
  const { openKv }: DenoWithKv = Deno;
  if (openKv === undefined) throw new Error("Deno KV needs --unstable-kv");
  const kv = await openKv(`${dir}/kv.sqlite`);
  return {
    get: (key) => kv.get([key]),
    set: (key, value) => kv.set([key], value),
    setAll(pairs) {
      const atomic = kv.atomic();
      for (const [key, value] of pairs) atomic.set([key], value);
      return atomic.commit();
    },
    close: () => kv.close(),
  };
}

function openLmdb(
  { open }: LmdbModule,
  dir: string,
  isDurable: boolean,
): EmbeddedStore {
  const db = open({
    path: `${dir}/data.mdb`,
    encoding: "string",
    noSync: !isDurable,
  });
  return {
    get: (key) => db.get(key),
    set: (key, value) => db.putSync(key, value),
    setAll: (pairs) =>
      db.transactionSync(() => {
        for (const [key, value] of pairs) db.put(key, value);
      }),
    close: () => db.close(),
  };
}
