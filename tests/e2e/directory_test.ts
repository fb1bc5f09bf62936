import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { testOnSmallDisk } from "../engine/_small_disk.ts";
import { kvs, ServerProcess } from "./_kvs.ts";
import { test } from "./_targets.ts";

/** Commands that must find a store. */
const COMMANDS = [
  ["get", "k"],
  ["rm", "k"],
  ["scan"],
  ["export"],
  ["stats"],
  ["compact"],
  ["check"],
];

/** Those that only read. */
const READING = COMMANDS.filter(([name]) =>
  name !== "rm" && name !== "compact"
);

function namesIn(directory: string): string[] {
  return Array.from(Deno.readDirSync(directory), ({ name }) => name).sort();
}

test("kvs makes no directory, and no files in one, where it needs a store", async (root) => {
  Deno.mkdirSync(`${root}/empty`);
  for (const command of COMMANDS) {
    for (
      const [name, reason] of [
        ["missing", "it does not exist"],
        ["empty", "it holds no store"],
      ]
    ) {
      const dir = `${root}/${name}`;
      const result = await kvs([...command, "--dir", dir]);
      assertEquals(result, {
        code: 1,
        stdout: "",
        stderr: `error: Cannot open data directory "${dir}": ${reason}\n`,
      });
    }
    assertEquals(namesIn(root), ["empty"]);
    assertEquals(namesIn(`${root}/empty`), []);
  }
});

test("kvs leaves no LOCK in a directory that had none", async (root) => {
  const dir = `${root}/data`;
  await kvs(["set", "k", "v", "--dir", dir]);
  Deno.removeSync(`${dir}/LOCK`);
  for (const command of COMMANDS) {
    const { stderr } = await kvs([...command, "--dir", dir]);
    assertEquals(stderr, "");
    assert(!namesIn(dir).includes("LOCK"), `${command} left a LOCK`);
  }
});

test("kvs says how to use a store that a server has open", async (root) => {
  const dir = `${root}/data`;
  await using server = await ServerProcess.start("--dir", dir);
  const locked =
    `Cannot open data directory "${dir}": locked by process ${server.pid} serving ${server.addr}`;
  for (const command of COMMANDS) {
    const isReading = READING.includes(command);
    const hint = command[0] === "check"
      ? ""
      : `; use --addr ${server.addr}${
        isReading ? ", or --read-only for reading" : ""
      }`;
    const result = await kvs([...command, "--dir", dir]);
    assertEquals(result.stderr, `error: ${locked}${hint}\n`);
    if (!isReading || command[0] === "check") continue;
    const hinted = await kvs([...command, "--dir", dir, "--read-only"]);
    assertEquals([hinted.code, hinted.stderr], [0, ""]);
  }
});

testOnSmallDisk(
  "kvs reads and checks a store on a read-only file system",
  2 ** 20,
  async (disk) => {
    const dir = disk.directory;
    await kvs(["set", "k", "v", "--dir", dir]);
    const { stdout: stats } = await kvs(["stats", "--json", "--dir", dir]);
    Deno.removeSync(`${dir}/LOCK`);
    const names = namesIn(dir);
    disk.makeReadOnly();
    const expected = new Map([
      ["get", "v\n"],
      ["scan", "k\tv\n"],
      ["export", '{"key":"k","value":"v"}\n'],
      ["check", "1 sound record in 1 segment"],
      ["stats", "keys "],
    ]);
    for (const command of READING) {
      const result = await kvs([...command, "--dir", dir]);
      assertEquals([result.code, result.stderr], [0, ""]);
      assertStringIncludes(result.stdout, expected.get(command[0])!);
    }
    const { store } = JSON.parse(stats);
    const again = await kvs(["stats", "--json", "--dir", dir]);
    const found = JSON.parse(again.stdout).store;
    for (const name of ["engine", "keys", "diskBytes", "liveBytes"]) {
      assertEquals(found[name], store[name], name);
    }
    assertEquals(namesIn(dir), names);
    // What has to write there says why it cannot.
    for (const command of [["rm", "k"], ["compact"], ["check", "--repair"]]) {
      const result = await kvs([...command, "--dir", dir]);
      assertEquals(result, {
        code: 1,
        stdout: "",
        stderr:
          `error: Cannot open data directory "${dir}": read-only file system\n`,
      });
    }
  },
);

testOnSmallDisk(
  "kvs --dir and kvs serve work on a full disk, and compact frees it",
  2 ** 20,
  async (disk) => {
    const dir = disk.directory;
    // Several segments of which little is live.
    {
      await using server = await ServerProcess.start(
        ...["--dir", dir, "--segment-size", "65536", "--compact-at", "1G"],
      );
      const pair = (n: number) =>
        `{"key":"k${n % 3}","value":"${`${n} `.repeat(1_000)}"}\n`;
      const imported = await kvs(["import", "-", "--addr", server.addr], {
        stdin: Array.from({ length: 100 }, (_, n) => pair(n)).join(""),
      });
      assertEquals([imported.code, imported.stderr], [0, ""]);
      server.signal("SIGTERM");
      assertEquals((await server.end()).code, 0);
    }
    disk.fillUp(0);
    const value = `${"99 ".repeat(1_000)}\n`;
    const full = await kvs(["get", "k0", "--dir", dir]);
    assertEquals([full.code, full.stdout, full.stderr], [0, value, ""]);
    {
      await using server = await ServerProcess.start("--dir", dir);
      const served = await kvs(["get", "k0", "--addr", server.addr]);
      assertEquals(served.stdout, value);
      server.signal("SIGTERM");
      assertEquals((await server.end()).code, 0);
    }
    const compacted = await kvs(["compact", "--dir", dir, "--json"]);
    assertEquals([compacted.code, compacted.stderr], [0, ""]);
    const { bytesBefore, bytesAfter } = JSON.parse(compacted.stdout);
    assert(bytesAfter < bytesBefore / 2, compacted.stdout);
    const set = await kvs(["set", "new", "n", "--dir", dir]);
    assertEquals([set.code, set.stderr], [0, ""]);
    const after = await kvs(["get", "k0", "--dir", dir]);
    assertEquals([after.code, after.stdout], [0, value]);
  },
);

testOnSmallDisk(
  "kvs says what LevelDB needs on a full disk, and opens it once there is room",
  2 ** 20,
  async (disk) => {
    const dir = disk.directory;
    Deno.mkdirSync(dir);
    Deno.writeTextFileSync(`${dir}/ENGINE`, "level 1\n");
    await kvs(["set", "k", "v", "--dir", dir]);
    disk.fillUp(0);
    const full = await kvs(["get", "k", "--dir", dir]);
    assertEquals([full.code, full.stdout], [1, ""]);
    assertStringIncludes(full.stderr, "No space left on device");
    // LevelDB writes a manifest, a name and a log whenever it is opened.
    disk.empty();
    disk.fillUp(64 * 1024);
    const found = await kvs(["get", "k", "--dir", dir]);
    assertEquals(found, { code: 0, stdout: "v\n", stderr: "" });
  },
);

for (const pool of ["reuse-port", "shared-queue"]) {
  testOnSmallDisk(
    `kvs serve exits with 1 if what it acknowledged cannot be synced (level, ${pool})`,
    2 ** 20,
    async (disk) => {
      await using server = await ServerProcess.start(
        ...["--dir", disk.directory, "--engine", "level", "--sync", "no"],
        ...["--pool", pool, "--threads", "1"],
      );
      const pairs = '{"key":"k","value":"v"}\n'.repeat(10_000);
      const addr = ["--addr", server.addr];
      assertEquals((await kvs(["set", "k", "v", ...addr])).code, 0);
      disk.fillUp(0);
      const failed = await kvs(["import", "-", ...addr], { stdin: pairs });
      assertStringIncludes(failed.stderr, "No space left on device");
      disk.empty();
      const refused = await kvs(["set", "k", "v", ...addr]);
      assertStringIncludes(refused.stderr, "Writes are disabled");
      assertStringIncludes(server.log, "write to LevelDB failed: IO error");
      disk.fillUp(0);
      server.signal("SIGTERM");
      assertEquals((await server.end()).code, 1);
      assertStringIncludes(
        server.log,
        "error: Cannot sync LevelDB's log: IO error",
      );
      assert(!server.log.includes("Uncaught"), server.log);
    },
  );
}

test("kvs serve exits with 1 if what it acknowledged cannot be synced (kvs)", async (root) => {
  const dir = `${root}/data`;
  await using server = await ServerProcess.start("--dir", dir, "--sync", "no");
  await kvs(["set", "k", "v", "--addr", server.addr]);
  for (const name of namesIn(dir)) {
    if (!name.endsWith(".log")) continue;
    // Cannot be opened, and is not taken for one that was compacted away.
    Deno.removeSync(`${dir}/${name}`);
    Deno.symlinkSync(name, `${dir}/${name}`);
  }
  server.signal("SIGTERM");
  assertEquals((await server.end()).code, 1);
  assertStringIncludes(server.log, "error: Too many levels of symbolic links");
});
