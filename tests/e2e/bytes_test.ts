/**
 * Values that are not UTF-8 text, and output that finds no room.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { KvStore } from "../../engine/kvs/store/store.ts";
import { bytes, openStore, TempDirectory } from "../engine/kvs/_helpers.ts";
import { commandLine, kvs, ServerProcess } from "./_kvs.ts";
import { test } from "./_targets.ts";
import { kvsOnTerminal, testOnTerminal } from "./_terminal.ts";

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

const REFUSED =
  'error: Cannot print 1 pair that is not UTF-8 text, with the key "b"; the library reads any bytes, with getBytes()\n';

test("kvs get, scan and export refuse a value that is no text, and no other", async (root) => {
  const dir = `${root}/data`;
  await storeWithBytes(dir);
  const check = async (store: string[]) => {
    const got = await kvs(["get", "b", ...store]);
    assertEquals(got, { code: 1, stdout: "", stderr: REFUSED });
    assertEquals(await kvs(["get", "a", "b", ...store]), got);
    assertEquals((await kvs(["get", "c", ...store])).stdout, "\ufeff3\n");
    assertEquals(await kvs(["export", ...store]), {
      code: 1,
      stdout: '{"key":"a","value":"1"}\n{"key":"c","value":"\ufeff3"}\n',
      stderr: REFUSED,
    });
    assertEquals(await kvs(["scan", ...store]), {
      code: 1,
      stdout: "a\t1\nc\t\ufeff3\n",
      stderr: REFUSED,
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

test("kvs scan and export go past keys that are no text, and name them all", async (root) => {
  const dir = `${root}/data`;
  {
    await using store: KvStore = openStore(dir);
    store.write([
      { key: "a", value: "1" },
      ...Array.from({ length: 12 }, (_, i) => ({
        key: new Uint8Array([0x62, 0x80 + i, 0x22]),
        value: bytes("2"),
      })),
      { key: new Uint8Array([0xff]), value: NO_TEXT },
      { key: "c", value: "3" },
    ]);
    await store.sync();
  }
  const names = Array.from(
    { length: 12 },
    (_, i) => `"b\\x${(0x80 + i).toString(16)}\\x22"`,
  );
  const stderr = (names: readonly string[]) =>
    `error: Cannot print ${names.length} pairs that are not UTF-8 text, with the keys ${
      names.join(", ")
    }; the library reads any bytes, with getBytes()\n`;
  assertEquals(await kvs(["scan", "--dir", dir]), {
    code: 1,
    stdout: "a\t1\nc\t3\n",
    stderr: stderr([...names, '"\\xff"']),
  });
  assertEquals(await kvs(["scan", "--keys", "--dir", dir, "--prefix", "a"]), {
    code: 0,
    stdout: "a\n",
    stderr: "",
  });
  // JSON has no way to ask a server for what is after such a key.
  await using server = await ServerProcess.start("--dir", dir);
  const asked = await kvs(["export", "--addr", server.addr]);
  assertEquals(asked, {
    code: 1,
    stdout: "",
    stderr:
      "error: Cannot read on: the server cannot send a key that is not UTF-8 text; use --dir DIR, with --read-only while the server runs\n",
  });
});

test("kvs set reads no more of a value than any server takes", async (root) => {
  const dir = `${root}/data`;
  const endless = "/dev/zero";
  assertEquals(await kvs(["set", "k", "--file", endless, "--dir", dir]), {
    code: 1,
    stdout: "",
    stderr:
      `error: Cannot read "${endless}": it is longer than 268435456 bytes\n`,
  });
});

test("kvs refuses arguments that are no text", async (root) => {
  const octal = "'a\\377'";
  for (const args of [["set", octal, "v"], ["set", "k", octal]]) {
    const { code, stderr } = await new Deno.Command("sh", {
      args: [
        "-c",
        `exec "$@" ${args.map((arg) => `"$(printf ${arg})"`).join(" ")}`,
        "sh",
        ...commandLine(["--dir", `${root}/data`]).slice(0, -2),
      ],
    }).output();
    const text = new TextDecoder().decode(stderr);
    // That of a binary made with Deno 2.7 ends before the program begins.
    if (code === 101 && /panicked at cli\/rt\/binary\.rs/.test(text)) continue;
    // Older runtimes refuse them before the program begins.
    assert(code === 1 || code === 2, `${code}`);
    assertMatch(text, /UTF-8/);
  }
  assertEquals([...Deno.readDirSync(root)], []);
});

/** Pairs of 300 KB, in lines of many lengths. */
async function storeOfLines(dir: string): Promise<string> {
  const pairs = Array.from({ length: 800 }, (_, i) => ({
    key: String(10_000 + i),
    value: "x".repeat(i * 997 % 700 + (i % 100 === 0 ? 5_000 : 0)),
  }));
  const lines = pairs.map((pair) => `${JSON.stringify(pair)}\n`).join("");
  const { code } = await kvs(["import", "--dir", dir], { stdin: lines });
  assertEquals(code, 0);
  return lines;
}

// A stream's flags are those of all who have it open: perl sets one, as some
// programs do that read or write asynchronously.
for (
  const [name, makePair] of Object.entries({
    pipe: "pipe(my $read, my $write);",
    socket:
      "use Socket; socketpair(my $read, my $write, AF_UNIX, SOCK_STREAM, 0);",
  })
) {
  test(`kvs export waits for room in a ${name} that does not block`, async (root) => {
    if (Deno.build.os === "windows") return;
    const dir = `${root}/data`;
    const lines = await storeOfLines(dir);
    const script = `
      use Fcntl;
      ${makePair}
      fcntl($write, F_SETFL, fcntl($write, F_GETFL, 0) | O_NONBLOCK);
      my $child = fork();
      if ($child == 0) {
        open(STDOUT, ">&", $write);
        close($write);
        close($read);
        exec(@ARGV);
      }
      close($write);
      while (sysread($read, my $part, 1500)) {
        print $part;
        select(undef, undef, undef, 0.0005);
      }
      waitpid($child, 0);
      exit($? >> 8);
    `;
    const { code, stdout, stderr } = await new Deno.Command("perl", {
      args: ["-e", script, ...commandLine(["export", "--dir", dir])],
    }).output();
    assertEquals(new TextDecoder().decode(stderr), "");
    assertEquals(code, 0);
    assert(
      new TextDecoder().decode(stdout) === lines,
      "Bytes are lost or twice",
    );
  });
}

testOnTerminal(
  "kvs export waits for room on a terminal that does not block",
  async () => {
    using root = new TempDirectory();
    const dir = `${root.path}/data`;
    const lines = await storeOfLines(dir);
    const script = `
    use Fcntl;
    fcntl(STDOUT, F_SETFL, fcntl(STDOUT, F_GETFL, 0) | O_NONBLOCK);
    exec(@ARGV);
  `;
    const { code, sent } = await kvsOnTerminal(["export", "--dir", dir], {
      through: ["perl", "-e", script],
    });
    assertEquals(code, 0);
    assert(sent.replaceAll("\r\n", "\n") === lines, "Bytes are lost or twice");
  },
);

test("kvs waits for room for what it says on standard error", async (root) => {
  if (Deno.build.os === "windows") return;
  // A name that is longer than the pipe.
  const script = `
    use Fcntl;
    pipe(my $read, my $write);
    fcntl($write, F_SETFL, fcntl($write, F_GETFL, 0) | O_NONBLOCK);
    my $child = fork();
    if ($child == 0) {
      open(STDERR, ">&", $write);
      close($write);
      close($read);
      exec(@ARGV, "x" x 100000);
    }
    close($write);
    my $all = "";
    while (sysread($read, my $part, 1500)) {
      $all .= $part;
      select(undef, undef, undef, 0.0005);
    }
    waitpid($child, 0);
    print length($all), " ", $? >> 8, "\\n";
  `;
  const { stdout } = await new Deno.Command("perl", {
    args: ["-e", script, ...commandLine(["rm", "--dir", root, "k"])],
  }).output();
  const said = `error: Unexpected operand "${"x".repeat(100_000)}"\n`;
  const hint = "Try 'kvs rm --help'\n";
  assertEquals(
    new TextDecoder().decode(stdout),
    `${said.length + hint.length} 2\n`,
  );
});
