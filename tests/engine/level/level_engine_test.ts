import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { until } from "../../_deadline.ts";
import { ClassicLevel } from "classic-level";
import type { KvsEngine, SyncMode } from "../../../engine/engine.ts";
import { ClosedError } from "../../../engine/errors.ts";
import {
  attachEngine,
  openEngine,
  openSnapshot,
} from "../../../engine/open.ts";

function withPath(body: (path: string) => Promise<void>): () => Promise<void> {
  return async () => {
    const root = Deno.makeTempDirSync({ prefix: "kvs_level_" });
    try {
      await body(`${root}/data`);
    } finally {
      Deno.removeSync(root, { recursive: true });
    }
  };
}

function open(path: string, sync: SyncMode = "always"): Promise<KvsEngine> {
  return openEngine(path, { engine: "level", create: true, sync });
}

/** Whether LevelDB's log holds the mark that a sync leaves there. */
function hasSyncMark(path: string): boolean {
  for (const { name } of Deno.readDirSync(`${path}/level`)) {
    if (!name.endsWith(".log")) continue;
    const log = Deno.readTextFileSync(`${path}/level/${name}`);
    // The mark's first byte is not UTF-8.
    if (log.includes("\uFFFDsync")) return true;
  }
  return false;
}

Deno.test(
  "LevelEngine.openIn() says what is wrong with LevelDB's files, and unlocks the directory",
  withPath(async (path) => {
    const engine = await open(path);
    await engine.set("k", "v");
    await engine.close();
    const current = `${path}/level/CURRENT`;
    const content = Deno.readTextFileSync(current);
    Deno.writeTextFileSync(current, "no newline");
    for (let attempt = 0; attempt < 2; attempt++) {
      await assertRejects(
        () => open(path),
        Error,
        `Cannot open "${Deno.realPathSync(path)}/level": LevelDB's files are ` +
          "damaged: Corruption: CURRENT file does not end with newline",
      );
    }
    Deno.writeTextFileSync(current, content);
    const again = await open(path);
    assertEquals(await again.get("k"), "v");
    await again.close();
  }),
);

Deno.test(
  "LevelEngine.openIn() refuses files that another program has open",
  withPath(async (path) => {
    const engine = await open(path);
    await engine.close();
    const { ClassicLevel } = await import("classic-level");
    const stranger = new ClassicLevel(`${path}/level`);
    await stranger.open();
    await assertRejects(
      () => open(path),
      Error,
      "another program has LevelDB's files open",
    );
    await stranger.close();
    await (await open(path)).close();
  }),
);

Deno.test({
  name: "LevelEngine.openIn() keeps LevelDB's files from other users",
  ignore: Deno.build.os === "windows",
  fn: withPath(async (path) => {
    Deno.mkdirSync(path, { mode: 0o755 });
    const engine = await open(path);
    assertEquals((Deno.statSync(`${path}/level`).mode ?? 0) & 0o777, 0o700);
    await engine.close();
  }),
});

Deno.test(
  "LevelEngine syncs within about a second in mode everysec",
  withPath(async (path) => {
    const engine = await open(path, "everysec");
    await engine.set("k", "v");
    assertEquals(hasSyncMark(path), false);
    await until("the sync of the second", () => hasSyncMark(path));
    await engine.close();
  }),
);

for (const sync of ["everysec", "no"] as const) {
  Deno.test(
    `LevelEngine.close() syncs what was written, only then (${sync})`,
    withPath(async (path) => {
      const reader = await open(path, sync);
      assertEquals(reader.get("k"), undefined);
      await reader.close();
      assertEquals(hasSyncMark(path), false);
      const writer = await open(path, sync);
      await writer.set("k", "v");
      await writer.close();
      assertEquals(hasSyncMark(path), true);
    }),
  );
}

/** Puts something in the place of LevelDB's batch(), until it is disposed of. */
function replaceBatch(replacement: typeof batch): Disposable {
  ClassicLevel.prototype.batch = replacement as typeof original;
  return {
    [Symbol.dispose]: () => {
      ClassicLevel.prototype.batch = original;
    },
  };
}

const original = ClassicLevel.prototype.batch;

/** LevelDB's own batch(). */
function batch(this: unknown, ...args: unknown[]): Promise<void> {
  return Reflect.apply(original, this, args);
}

function failingBatch(): Promise<void> {
  return Promise.reject(new Error("Disk is gone"));
}

const REASON = "write to LevelDB failed: Disk is gone";
const REFUSED =
  `Writes are disabled until the store is opened again: ${REASON}`;

Deno.test(
  "LevelEngine.write() reports a failure for each write",
  withPath(async (path) => {
    const engine = await openEngine(path, {
      engine: "level",
      create: true,
      onFailure: () => {},
    });
    const key = new Uint8Array([1]);
    const outcomes = await (async () => {
      using _ = replaceBatch(failingBatch);
      return await engine.write([
        { key, value: key },
        { key, value: undefined },
      ]);
    })();
    assertEquals(outcomes.length, 2);
    for (const outcome of outcomes) assert(outcome instanceof Error);
    await assertRejects(async () => await engine.set("k", "v"), Error);
    await engine.close();
  }),
);

Deno.test(
  "LevelEngine refuses writes in all Workers after one that failed, until it is opened again",
  withPath(async (path) => {
    const failures: string[] = [];
    const opener = await openEngine(path, {
      engine: "level",
      create: true,
      onFailure: ({ message }) => failures.push(message),
    });
    const attached = await attachEngine(opener.share());
    const worker = new Worker(import.meta.resolve("../_attached_worker.ts"), {
      type: "module",
    });
    const ask = (message: unknown) =>
      new Promise<unknown>((resolve) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.postMessage(message);
      });
    await ask({ attach: opener.share() });
    assertEquals(await ask({ set: "before" }), null);
    {
      using _ = replaceBatch(failingBatch);
      await assertRejects(
        async () => await opener.set("lost", ""),
        Error,
        "Disk is gone",
      );
    }
    assertEquals(await ask({ set: "after" }), REFUSED);
    for (const engine of [opener, attached]) {
      await assertRejects(
        async () => await engine.set("after", ""),
        Error,
        REFUSED,
      );
      assertEquals((await engine.stats()).writesRefused, REASON);
      assertEquals(await engine.get("before"), "");
    }
    assertEquals(failures, [REFUSED]);
    await ask({ close: true });
    worker.terminate();
    await opener.close();
    const again = await open(path);
    assertEquals((await again.stats()).writesRefused, undefined);
    assertEquals(await again.get("after"), undefined);
    await again.set("after", "");
    await again.close();
  }),
);

for (const fails of [true, false]) {
  Deno.test(
    `LevelEngine acknowledges no write before it has heard of those before it (${
      fails ? "one failed" : "none failed"
    })`,
    withPath(async (path) => {
      const opener = await openEngine(path, {
        engine: "level",
        create: true,
        onFailure: () => {},
      });
      const attached = await attachEngine(opener.share(), () => {});
      // LevelDB may be done with both, but the opener's thread is late to hear.
      const heard = Promise.withResolvers<void>();
      const isWritten = Promise.withResolvers<void>();
      let first: Promise<unknown>;
      let second: Promise<unknown>;
      {
        using _ = replaceBatch(() => heard.promise);
        first = Promise.resolve(opener.set("first", "")).catch((e) => e);
      }
      {
        using _ = replaceBatch(async function (this: unknown, ...args) {
          await batch.apply(this, args);
          isWritten.resolve();
        });
        second = Promise.resolve(attached.set("second", "")).catch((e) => e);
      }
      let isAcknowledged = false;
      second.then(() => isAcknowledged = true);
      await isWritten.promise;
      assertEquals(attached.get("second"), "");
      await new Promise((resolve) => setTimeout(resolve, 20));
      assertEquals(isAcknowledged, false);
      if (fails) heard.reject(new Error("Disk is gone"));
      else heard.resolve();
      const outcomes = (await Promise.all([first, second]))
        .map((outcome) => outcome instanceof Error ? outcome.message : outcome);
      assertEquals(
        outcomes,
        fails ? ["Disk is gone", REFUSED] : [undefined, undefined],
      );
      await attached.close();
      await opener.close();
    }),
  );
}

Deno.test(
  "LevelEngine joins the writes that come while it writes",
  withPath(async (path) => {
    const engine = await open(path, "no");
    let batches = 0;
    {
      using _ = replaceBatch(function (this: unknown, ...args) {
        batches++;
        return batch.apply(this, args);
      });
      await Promise.all(
        Array.from(
          { length: 300 },
          (_, n) => engine.set(`k${n}`, `${n}`.repeat(n === 5 ? 2 ** 20 : 1)),
        ),
      );
    }
    assert(batches < 30, `${batches} batches`);
    for (let n = 0; n < 300; n++) {
      const value = await engine.get(`k${n}`);
      assertEquals(value, `${n}`.repeat(n === 5 ? 2 ** 20 : 1));
    }
    await engine.close();
  }),
);

Deno.test(
  "LevelEngine takes any bytes for a key, and syncs without one of the user's",
  withPath(async (path) => {
    const engine = await open(path, "everysec");
    const key = new Uint8Array([0xff, ...new TextEncoder().encode("sync")]);
    await engine.write([{ key, value: key }]);
    await engine.close();
    assert(hasSyncMark(path));
    const again = await open(path);
    assertEquals([...(await again.getBytes(key))!], [...key]);
    await again.close();
  }),
);

Deno.test(
  "LevelEngine.close() closes instances that are attached yet, also in Workers",
  withPath(async (path) => {
    const opener = await open(path);
    await opener.set("k", "v");
    const worker = new Worker(import.meta.resolve("../_attached_worker.ts"), {
      type: "module",
    });
    const ask = (message: unknown) =>
      new Promise<unknown>((resolve) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.postMessage(message);
      });
    await ask({ attach: opener.share() });
    const handle = opener.share();
    const attached = await attachEngine(handle);
    const snapshot = await openSnapshot(handle);
    const compacted = attached.compact();
    await opener.close();
    await compacted;
    // Without that, these would use a cache that is freed, and crash.
    assertThrows(() => attached.get("k"), Error, "Store is closed");
    assertEquals(await ask({ set: "k" }), "Store is closed");
    await assertRejects(() => attachEngine(handle), Error, "Store is closed");
    await assertRejects(() => openSnapshot(handle), Error, "Store is closed");
    await assertRejects(() => snapshot.scan({}), ClosedError, "Store is");
    await snapshot.close();
    await attached.close();
    worker.terminate();
    await (await open(path)).close();
  }),
);

Deno.test(
  "LevelEngine.openIn() refuses a database that this process has open already",
  withPath(async (path) => {
    await (await open(path)).close();
    const location = `${Deno.realPathSync(path)}/level`;
    // As a Worker that died might leave it.
    const left = new ClassicLevel(location, { multithreading: true });
    await left.open();
    await assertRejects(
      () => open(path),
      Error,
      `Cannot open "${location}": another thread of this process has it open`,
    );
    await left.close();
    await (await open(path)).close();
  }),
);

Deno.test(
  "LevelEngine.stats() tells what LevelDB's files take",
  withPath(async (path) => {
    const engine = await open(path, "no");
    const before = await engine.stats();
    await engine.set("k", "v".repeat(100_000));
    const after = await engine.stats();
    assertEquals(
      [after.engine, after.sync, after.keys],
      ["level", "no", undefined],
    );
    assert(after.diskBytes >= before.diskBytes + 100_000);
    await engine.close();
  }),
);

Deno.test(
  "LevelEngine tells of a sync in the background that failed",
  withPath(async (path) => {
    const failures: string[] = [];
    const onFailure = ({ message }: Error) => failures.push(message);
    const engine = await open(path, "everysec");
    const attached = await attachEngine(engine.share(), onFailure);
    const { del } = ClassicLevel.prototype;
    ClassicLevel.prototype.del = () =>
      Promise.reject(new Error("Disk is gone"));
    try {
      await attached.set("k", "v");
      await until("the failure to be told", () => failures.length > 0);
    } finally {
      ClassicLevel.prototype.del = del;
    }
    assertEquals(failures, [
      "Writes are disabled until the store is opened again: sync of LevelDB's log failed: Disk is gone",
    ]);
    await attached.close();
    await engine.close();
  }),
);
