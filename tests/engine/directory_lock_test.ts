import { assert, assertEquals, assertThrows } from "@std/assert";
import { DataDirectory } from "../../engine/directory.ts";
import { LockedError } from "../../engine/errors.ts";
import { testOnSmallDisk } from "./_small_disk.ts";

/** Runs a test body with a path that does not exist yet. */
function withPath(
  body: (path: string) => void | Promise<void>,
): () => Promise<void> {
  return async () => {
    const root = Deno.makeTempDirSync({ prefix: "kvs_directory_" });
    try {
      await body(`${root}/data`);
    } finally {
      Deno.removeSync(root, { recursive: true });
    }
  };
}

Deno.test(
  "DataDirectory.open() tells who has it locked",
  withPath((path) => {
    using directory = DataDirectory.open(path, { create: true });
    const locked = assertThrows(() => DataDirectory.open(path), LockedError);
    assertEquals([locked.pid, locked.addr], [Deno.pid, undefined]);
    directory.setAddress("[::1]:4000");
    const served = assertThrows(() => DataDirectory.open(path), LockedError);
    assertEquals([served.pid, served.addr], [Deno.pid, "[::1]:4000"]);
    Deno.writeTextFileSync(`${path}/LOCK`, "");
    const unknown = assertThrows(() => DataDirectory.open(path), LockedError);
    assertEquals([unknown.pid, unknown.addr], [undefined, undefined]);
    assert(unknown.message.endsWith(": locked by another process"));
  }),
);

Deno.test({
  name: "DataDirectory.open() leaves alone what LOCK or ENGINE.tmp link to",
  ignore: Deno.build.os === "windows",
  fn: withPath((path) => {
    const victim = `${path}.victim`;
    Deno.mkdirSync(path);
    for (const target of [victim, `${path}.missing`]) {
      Deno.writeTextFileSync(victim, "precious");
      Deno.symlinkSync(target, `${path}/LOCK`);
      assertThrows(
        () => DataDirectory.open(path, { create: true }),
        Error,
        `Cannot open data directory "${path}": its LOCK is not a regular file`,
      );
      Deno.removeSync(`${path}/LOCK`);
      assertEquals(Deno.readTextFileSync(victim), "precious");
      assertThrows(() => Deno.statSync(`${path}.missing`));
    }
    Deno.symlinkSync(victim, `${path}/ENGINE.tmp`);
    DataDirectory.open(path, { create: true }).close();
    assertEquals(Deno.readTextFileSync(victim), "precious");
    assertEquals(Deno.readTextFileSync(`${path}/ENGINE`), "kvs 1\n");
  }),
});

/** Runs a body, and does something whenever a file is about to be locked. */
function beforeLocking(act: () => void, body: () => void): void {
  const { tryLockSync } = Deno.FsFile.prototype;
  Deno.FsFile.prototype.tryLockSync = function (exclusive) {
    act();
    return tryLockSync.call(this, exclusive);
  };
  try {
    body();
  } finally {
    Deno.FsFile.prototype.tryLockSync = tryLockSync;
  }
}

Deno.test({
  name: "DataDirectory.open() is not deceived by a LOCK that is replaced",
  ignore: Deno.build.os === "windows",
  fn: withPath((path) => {
    const victim = `${path}.victim`;
    DataDirectory.open(path, { create: true }).close();
    Deno.writeTextFileSync(victim, "precious");
    // By a link, after it was looked at.
    const link = () => {
      Deno.removeSync(`${path}/LOCK`);
      Deno.symlinkSync(victim, `${path}/LOCK`);
    };
    beforeLocking(link, () =>
      assertThrows(
        () => DataDirectory.open(path),
        Error,
        "its LOCK is not a regular file",
      ));
    Deno.removeSync(`${path}/LOCK`);
    assertEquals(Deno.readTextFileSync(victim), "precious");
    // By one of another process that has it locked since.
    Deno.writeTextFileSync(`${path}/LOCK`, "");
    let other: DataDirectory | undefined;
    let times = 0;
    const replace = () => {
      if (times++ > 0) return;
      Deno.removeSync(`${path}/LOCK`);
      other = DataDirectory.open(path);
    };
    beforeLocking(replace, () =>
      assertThrows(
        () => DataDirectory.open(path),
        LockedError,
        `locked by process ${Deno.pid}`,
      ));
    other!.close();
    DataDirectory.open(path).close();
  }),
});

Deno.test(
  "DataDirectory.close() removes a LOCK that it made in a store of another's",
  withPath((path) => {
    DataDirectory.open(path, { create: true }).close();
    // An owner's stays.
    assert(Deno.statSync(`${path}/LOCK`).isFile);
    DataDirectory.open(path).close();
    assert(Deno.statSync(`${path}/LOCK`).isFile);
    Deno.removeSync(`${path}/LOCK`);
    {
      using _directory = DataDirectory.open(path);
      assertThrows(() => DataDirectory.open(path), LockedError);
    }
    assertThrows(() => Deno.statSync(`${path}/LOCK`), Deno.errors.NotFound);
    // Nor does a refusal leave one.
    Deno.writeTextFileSync(`${path}/ENGINE`, "kvs 2\n");
    assertThrows(() => DataDirectory.open(path), Error, "it has format 2");
    assertThrows(() => Deno.statSync(`${path}/LOCK`), Deno.errors.NotFound);
  }),
);

testOnSmallDisk(
  "DataDirectory.open() locks on a full disk, if without a name",
  2 ** 20,
  (disk) => {
    const path = disk.directory;
    DataDirectory.open(path, { create: true }).close();
    disk.fillUp(0);
    {
      using directory = DataDirectory.open(path);
      directory.setAddress("127.0.0.1:4000");
      assertThrows(() => DataDirectory.open(path), LockedError);
    }
    disk.empty();
    using _again = DataDirectory.open(path);
    return Promise.resolve();
  },
);
