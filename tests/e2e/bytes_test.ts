/**
 * Values that are not UTF-8 text, and output that finds no room.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { KvStore } from "../../engine/kvs/store.ts";
import { bytes, openStore } from "../engine/kvs/_helpers.ts";
import { commandLine, kvs, ServerProcess } from "./_kvs.ts";
import { test } from "./_targets.ts";

const NO_TEXT = new Uint8Array([0x61, 0xff, 0x62]);

/** A store as a program leaves it that sets bytes. */
async function storeWithBytes(dir: string): Promise<void> {
  await using store: KvStore = openStore(dir);
  store.write([
    { key: "a", value: "1" },
    { key: bytes("b"), value: NO_TEXT },
    { key: "c", value: "\ufeff3" },
  ]);
  await store.sync();
}

const LEFT_OUT = 'error: Left out 1 pair not of UTF-8 text, with the key "b"\n';

test("kvs get, scan and export refuse a value that is no text, and no other", async (root) => {
  const dir = `${root}/data`;
  await storeWithBytes(dir);
  const check = async (store: string[]) => {
    const got = await kvs(["get", "b", ...store]);
    assertEquals([got.code, got.stdout], [1, ""]);
    assert(/alue( of "b")? is not UTF-8 text/.test(got.stderr), got.stderr);
    assertEquals((await kvs(["get", "c", ...store])).stdout, "\ufeff3\n");
    assertEquals(await kvs(["export", ...store]), {
      code: 1,
      stdout: '{"key":"a","value":"1"}\n{"key":"c","value":"\ufeff3"}\n',
      stderr: LEFT_OUT,
    });
    assertEquals(await kvs(["scan", ...store]), {
      code: 1,
      stdout: "a\t1\nc\t\ufeff3\n",
      stderr: LEFT_OUT,
    });
    assertEquals((await kvs(["scan", "--keys", ...store])).stdout, "a\nb\nc\n");
  };
  await check(["--dir", dir]);
  await check(["--dir", dir, "--read-only"]);
  await using server = await ServerProcess.start("--dir", dir);
  await check(["--addr", server.addr]);
});

test("kvs set refuses a value that is no text, and keeps a byte order mark", async (root) => {
  const dir = `${root}/data`;
  const file = `${root}/value`;
  assertEquals((await kvs(["set", "k", "old", "--dir", dir])).code, 0);
  Deno.writeFileSync(file, NO_TEXT);
  assertEquals(await kvs(["set", "k", "--file", file, "--dir", dir]), {
    code: 1,
    stdout: "",
    stderr: `error: Cannot set "k": "${file}" is not UTF-8 text\n`,
  });
  assertEquals(await kvs(["set", "k", "-", "--dir", dir], { stdin: NO_TEXT }), {
    code: 1,
    stdout: "",
    stderr: 'error: Cannot set "k": standard input is not UTF-8 text\n',
  });
  assertEquals((await kvs(["get", "k", "--dir", dir])).stdout, "old\n");
  const marked = "\ufeffmarked";
  Deno.writeTextFileSync(file, marked);
  for (const args of [["--file", file], ["-"]]) {
    const set = ["set", "k", ...args, "--dir", dir];
    assertEquals((await kvs(set, { stdin: marked })).code, 0);
    assertEquals((await kvs(["get", "k", "--dir", dir])).stdout, `${marked}\n`);
  }
});

test("kvs export waits for room in a pipe that does not block", async (root) => {
  if (Deno.build.os === "windows") return;
  const dir = `${root}/data`;
  const stdin = Array.from(
    { length: 2_000 },
    (_, i) => `${i}\t${"x".repeat(1_000)}\n`,
  )
    .join("");
  assertEquals((await kvs(["import", "--dir", dir], { stdin })).code, 0);
  // A pipe's flags are those of all who have it open: perl sets one, as some
  // programs do that read asynchronously.
  const script = `
    use Fcntl;
    pipe(my $read, my $write);
    fcntl($write, F_SETFL, fcntl($write, F_GETFL, 0) | O_NONBLOCK);
    my $child = fork();
    if ($child == 0) { open(STDOUT, ">&", $write); close($write); exec(@ARGV); }
    close($write);
    my $lines = 0;
    while (sysread($read, my $part, 65536)) {
      $lines += ($part =~ tr/\\n//);
      select(undef, undef, undef, 0.002);
    }
    waitpid($child, 0);
    print "$lines lines, ", $? >> 8, "\\n";
  `;
  const { stdout, stderr } = await new Deno.Command("perl", {
    args: ["-e", script, ...commandLine(["export", "--dir", dir])],
  }).output();
  assertEquals(new TextDecoder().decode(stderr), "");
  assertEquals(new TextDecoder().decode(stdout), "2000 lines, 0\n");
});
