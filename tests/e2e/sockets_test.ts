import { assert, assertEquals } from "@std/assert";
import { BINARY, kvs, PERMISSIONS, ServerProcess } from "./_kvs.ts";

const WITHOUT_FFI = PERMISSIONS.filter((flag) =>
  !flag.startsWith("--allow-ffi")
);

async function withRoot(body: (root: string) => Promise<void>): Promise<void> {
  const root = Deno.makeTempDirSync({ prefix: "kvs_sockets_" });
  try {
    await body(root);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

for (const pool of ["reuse-port", "shared-queue"]) {
  Deno.test({
    name:
      `kvs serve --sockets deno needs no --allow-ffi with engine kvs (${pool})`,
    // A binary has its permissions compiled in.
    ignore: BINARY !== undefined,
    fn: () =>
      withRoot(async (root) => {
        await using server = await ServerProcess.startWith(
          { permissions: WITHOUT_FFI },
          ...["--addr", "127.0.0.1:0", "--dir", `${root}/data`],
          ...["--pool", pool, "--threads", "2", "--sockets", "deno"],
          ...["--sync", "everysec"],
        );
        assert(!server.log.includes("WARN"), server.log);
        const run = async (...args: string[]) => {
          const [command, ...rest] = args;
          const ran = await kvs(
            [command, "--addr", server.addr, ...rest],
            { permissions: WITHOUT_FFI },
          );
          assertEquals([ran.code, ran.stderr], [0, ""], args.join(" "));
          return ran.stdout;
        };
        for (const value of ["1", "2"]) await run("set", "a", value);
        await run("set", "b", "3");
        assertEquals(await run("get", "a"), "2\n");
        assertEquals(await run("scan"), "a\t2\nb\t3\n");
        assertEquals(
          await run("export"),
          '{"key":"a","value":"2"}\n{"key":"b","value":"3"}\n',
        );
        await run("rm", "b");
        assert((await run("compact")).startsWith("Reclaimed "));
        assert((await run("stats")).includes(pool));
        server.signal("SIGTERM");
        assertEquals((await server.end()).code, 0);
      }),
  });
}

const REFUSALS: readonly [string, readonly string[], readonly string[]][] = [
  ["they need --allow-ffi", [], WITHOUT_FFI],
  [
    "pool naive does not use them",
    ["--pool", "naive"],
    PERMISSIONS,
  ],
];

for (const [reason, args, permissions] of REFUSALS) {
  Deno.test({
    name: `kvs serve --sockets native is refused since ${reason}`,
    ignore: Deno.build.os !== "linux" ||
      (BINARY !== undefined && permissions === WITHOUT_FFI),
    fn: () =>
      withRoot(async (root) => {
        const ran = await kvs([
          ...["serve", "--addr", "127.0.0.1:0", "--dir", `${root}/data`],
          ...["--sockets", "native", ...args],
        ], { permissions });
        assertEquals(ran.code, 1, ran.stderr);
        assert(
          ran.stderr.includes(`Cannot use native sockets: ${reason}`),
          ran.stderr,
        );
      }),
  });
}

Deno.test("kvs serve --sockets native serves on the C library's sockets", {
  ignore: Deno.build.os !== "linux",
}, () =>
  withRoot(async (root) => {
    await using server = await ServerProcess.start(
      ...["--dir", `${root}/data`, "--threads", "1", "--sockets", "native"],
    );
    const fds = Array.from(
      Deno.readDirSync(`/proc/${server.pid}/fd`),
      ({ name }) => Deno.readLinkSync(`/proc/${server.pid}/fd/${name}`),
    );
    assert(fds.includes("anon_inode:[eventpoll]"), fds.join(" "));
    const ran = await kvs(["get", "--addr", server.addr, "a"]);
    assertEquals([ran.code, ran.stdout], [0, "Key not found\n"]);
  }));
