import { assert, assertEquals, assertThrows } from "@std/assert";
import { DataDirectory, isReadOnlyFileSystem } from "../../engine/directory.ts";
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

function engineFileOf(path: string): string {
  return Deno.readTextFileSync(`${path}/ENGINE`);
}

function modeOf(path: string): number {
  return (Deno.statSync(path).mode ?? 0) & 0o777;
}

Deno.test(
  "DataDirectory.open() refuses a directory that does not exist",
  withPath((path) => {
    assertThrows(
      () => DataDirectory.open(path, { engine: "kvs" }),
      Error,
      `Cannot open data directory "${path}": it does not exist`,
    );
    assertThrows(() => Deno.statSync(path), Deno.errors.NotFound);
  }),
);

Deno.test(
  "DataDirectory.open() makes a directory and its parents if asked to",
  withPath((root) => {
    const path = `${root}/deeply/nested/`;
    using directory = DataDirectory.open(path, { engine: "kvs", create: true });
    assertEquals(directory.path, Deno.realPathSync(`${root}/deeply/nested`));
    assertEquals(engineFileOf(path), "kvs 1\n");
  }),
);

Deno.test({
  name: "DataDirectory.open() makes what only its owner can read",
  ignore: Deno.build.os === "windows",
  fn: withPath((path) => {
    using _directory = DataDirectory.open(path, {
      engine: "kvs",
      create: true,
    });
    assertEquals(modeOf(path), 0o700);
    assertEquals(modeOf(`${path}/LOCK`), 0o600);
    assertEquals(modeOf(`${path}/ENGINE`), 0o600);
  }),
});

Deno.test(
  "DataDirectory.open() refuses a directory that is open already",
  withPath((path) => {
    using directory = DataDirectory.open(path, { engine: "kvs", create: true });
    assertThrows(
      () => DataDirectory.open(path, { engine: "kvs", create: true }),
      Error,
      `Cannot open data directory "${path}": locked by process ${Deno.pid}`,
    );
    directory.setAddress("127.0.0.1:54321");
    directory.setAddress("127.0.0.1:4000");
    const error = assertThrows(
      () => DataDirectory.open(path, { engine: "kvs" }),
      Error,
    );
    assertEquals(
      error.message,
      `Cannot open data directory "${path}": locked by process ${Deno.pid} serving 127.0.0.1:4000`,
    );
  }),
);

Deno.test(
  "DataDirectory.close() lets the directory be opened again, and may be repeated",
  withPath((path) => {
    const first = DataDirectory.open(path, { engine: "level", create: true });
    first.setAddress("127.0.0.1:4000");
    first.close();
    first.close();
    using _second = DataDirectory.open(path, { engine: "level" });
    const error = assertThrows(
      () => DataDirectory.open(path, { engine: "level" }),
      Error,
    );
    // The first owner's address is gone.
    assert(error.message.endsWith(`locked by process ${Deno.pid}`));
  }),
);

Deno.test(
  "DataDirectory.open() opens what a process left that died without closing",
  withPath((path) => {
    DataDirectory.open(path, { engine: "kvs", create: true }).close();
    Deno.writeTextFileSync(`${path}/LOCK`, "12\n127.0.0.1:4000\n");
    using directory = DataDirectory.open(path, { engine: "kvs" });
    assertEquals(directory.path, Deno.realPathSync(path));
  }),
);

Deno.test(
  "DataDirectory.open() refuses a directory of another engine",
  withPath((path) => {
    DataDirectory.open(path, { engine: "level", create: true }).close();
    for (const create of [true, false]) {
      assertThrows(
        () => DataDirectory.open(path, { engine: "kvs", create }),
        Error,
        `Data directory "${path}" belongs to engine level; it cannot be opened with kvs`,
      );
    }
    // The refusal has not left it locked.
    DataDirectory.open(path, { engine: "level" }).close();
  }),
);

Deno.test(
  "DataDirectory.open() takes the directory's own engine, kvs for a new one",
  withPath((root) => {
    DataDirectory.open(`${root}/a`, { engine: "level", create: true }).close();
    DataDirectory.open(`${root}/b`, { create: true }).close();
    using a = DataDirectory.open(`${root}/a`);
    using b = DataDirectory.open(`${root}/b`);
    assertEquals([a.engine, b.engine], ["level", "kvs"]);
  }),
);

Deno.test(
  "DataDirectory.open() refuses a newer format of the engine's files",
  withPath((path) => {
    DataDirectory.open(path, { create: true }).close();
    Deno.writeTextFileSync(`${path}/ENGINE`, "kvs 2\n");
    assertThrows(
      () => DataDirectory.open(path),
      Error,
      "it has format 2 of engine kvs, and this version knows only up to 1",
    );
  }),
);

Deno.test(
  "DataDirectory.open() refuses a directory with other files and leaves it as it was",
  withPath((path) => {
    Deno.mkdirSync(path);
    Deno.writeTextFileSync(`${path}/thesis.txt`, "");
    for (const create of [true, false]) {
      assertThrows(
        () => DataDirectory.open(path, { engine: "kvs", create }),
        Error,
        `it holds other files, such as "thesis.txt", and no store`,
      );
    }
    assertEquals([...Deno.readDirSync(path)].map(({ name }) => name), [
      "thesis.txt",
    ]);
  }),
);

Deno.test(
  "DataDirectory.open() takes an empty directory only if asked to create",
  withPath((path) => {
    Deno.mkdirSync(path);
    assertThrows(
      () => DataDirectory.open(path, { engine: "kvs" }),
      Error,
      `Cannot open data directory "${path}": it holds no store`,
    );
    DataDirectory.open(path, { engine: "kvs", create: true }).close();
  }),
);

Deno.test(
  "DataDirectory.open() finishes a creation that was cut short, also on a volume's root",
  withPath((path) => {
    Deno.mkdirSync(`${path}/lost+found`, { recursive: true });
    Deno.writeTextFileSync(`${path}/LOCK`, "12\n");
    Deno.writeTextFileSync(`${path}/ENGINE.tmp`, "k");
    DataDirectory.open(path, { engine: "kvs", create: true }).close();
    assertEquals(engineFileOf(path), "kvs 1\n");
  }),
);

Deno.test(
  "DataDirectory.open() refuses a file in the directory's place",
  withPath((path) => {
    Deno.writeTextFileSync(path, "");
    for (const place of [path, `${path}/below`]) {
      assertThrows(
        () => DataDirectory.open(place, { engine: "kvs", create: true }),
        Error,
        `Cannot open data directory "${place}": it is not a directory`,
      );
    }
  }),
);

Deno.test(
  "DataDirectory.open() refuses a note of the engine that it does not understand",
  withPath((path) => {
    Deno.mkdirSync(path);
    for (const content of ["", "kvs", "kvs 0\n", "sled 1\n", "kvs 1\nlevel"]) {
      Deno.writeTextFileSync(`${path}/ENGINE`, content);
      assertThrows(
        () => DataDirectory.open(path, { create: true }),
        Error,
        "its file ENGINE names no engine of this version: " +
          JSON.stringify(content),
      );
    }
  }),
);

testOnSmallDisk(
  "DataDirectory.open() says that a file system is read-only",
  2 ** 20,
  (disk) => {
    const path = disk.directory;
    DataDirectory.open(path, { create: true }).close();
    Deno.mkdirSync(`${path}2`);
    Deno.writeTextFileSync(`${path}2/ENGINE`, "kvs 1\n");
    disk.makeReadOnly();
    for (const place of [path, `${path}2`, `${path}3`]) {
      const error = assertThrows(
        () => DataDirectory.open(place, { create: true }),
        Error,
        `Cannot open data directory "${place}": read-only file system`,
      );
      assert(isReadOnlyFileSystem(error));
    }
    return Promise.resolve();
  },
);

/** The C library, where it can take this thread's rights to files away. */
const libc = Deno.build.os === "linux" && Deno.uid() === 0
  ? openLibc()
  : undefined;

function openLibc() {
  try {
    return Deno.dlopen("libc.so.6", {
      setfsuid: { parameters: ["u32"], result: "i32" },
    });
  } catch {
    // Not glibc.
  }
}

/** Runs a body with the rights of a user who has none. */
function asNobody(body: () => void): void {
  libc?.symbols.setfsuid(65_534);
  try {
    body();
  } finally {
    libc?.symbols.setfsuid(0);
  }
}

Deno.test({
  name: "DataDirectory.open() says of which directory permission is denied",
  ignore: libc === undefined,
  fn: withPath((path) => {
    DataDirectory.open(`${path}/data`, { create: true }).close();
    Deno.chmodSync(path.slice(0, path.lastIndexOf("/")), 0o755);
    const message = (place: string) =>
      `Cannot open data directory "${place}": permission denied`;
    Deno.chmodSync(`${path}/data`, 0o755);
    asNobody(() => {
      // LOCK and ENGINE are its owner's; a new directory cannot be made.
      for (const place of [`${path}/data`, `${path}/other`]) {
        const error = assertThrows(
          () => DataDirectory.open(place, { create: true }),
          Error,
          message(place),
        );
        assert(!isReadOnlyFileSystem(error));
      }
    });
    Deno.chmodSync(`${path}/data`, 0o700);
    asNobody(() =>
      assertThrows(
        () => DataDirectory.open(`${path}/data`),
        Error,
        message(`${path}/data`),
      )
    );
  }),
});

/** Starts processes until it is terminated, and says when it has begun. */
const STARTER = `data:text/javascript,
  for (let i = 0;; i++) {
    await new Deno.Command("true").output();
    if (i === 0) self.postMessage("begun");
  }`;

Deno.test({
  name:
    "DataDirectory.close() leaves it unlocked, even while other processes start",
  ignore: Deno.build.os === "windows",
  fn: withPath(async (path) => {
    const starter = new Worker(STARTER, { type: "module" });
    try {
      await new Promise((resolve) => starter.onmessage = resolve);
      for (let i = 0; i < 300; i++) {
        DataDirectory.open(path, { create: true }).close();
      }
    } finally {
      starter.terminate();
    }
  }),
});
