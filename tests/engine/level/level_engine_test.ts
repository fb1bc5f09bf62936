import { assert, assertEquals, assertRejects } from "@std/assert";
import { ClassicLevel } from "classic-level";
import type { KvsEngine, SyncMode } from "../../../engine/engine.ts";
import { attachEngine, openEngine } from "../../../engine/open.ts";

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
    const deadlineMs = performance.now() + 5_000;
    await new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        if (!hasSyncMark(path) && performance.now() < deadlineMs) return;
        clearInterval(timer);
        resolve();
      }, 20);
    });
    assert(hasSyncMark(path));
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

Deno.test(
  "LevelEngine.write() reports a failure for each write",
  withPath(async (path) => {
    const engine = await open(path);
    await engine.close();
    const key = new Uint8Array([1]);
    const outcomes = await engine.write([
      { key, value: key },
      { key, value: undefined },
    ]);
    assertEquals(outcomes.length, 2);
    for (const outcome of outcomes) assert(outcome instanceof Error);
    await assertRejects(async () => await engine.set("k", "v"), Error);
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
      await new Promise((resolve) => setTimeout(resolve, 1_200));
    } finally {
      ClassicLevel.prototype.del = del;
    }
    assertEquals(failures, ["Cannot sync LevelDB's log: Disk is gone"]);
    await attached.close();
    await engine.close();
  }),
);
