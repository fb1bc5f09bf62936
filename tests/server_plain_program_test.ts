import { assertEquals } from "@std/assert";
import { HAS_EPOLL } from "./net/_native.ts";

const REASON =
  "Workers cannot share a port without --unstable-net or --allow-ffi";
const FALLBACK = {
  pool: "shared-queue",
  value: "v",
  log: [`warn Using pool shared-queue instead of reuse-port: ${REASON}`],
};
const SHARING = { pool: "reuse-port", value: "v", log: [] };
const BASIC = ["--allow-net", "--allow-read", "--allow-write", "--allow-sys"];

/** Runs the program without this project's configuration. */
async function run(flags: readonly string[], pool: string[]): Promise<unknown> {
  const directory = Deno.makeTempDirSync({ prefix: "kvs_plain_" });
  try {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--no-config", "--no-check", "--no-prompt", "--quiet"],
        ...flags,
        new URL("./_plain_program.ts", import.meta.url).href,
        ...[directory, ...pool],
      ],
    }).output();
    const decoder = new TextDecoder();
    assertEquals([code, decoder.decode(stderr)], [0, ""]);
    return JSON.parse(decoder.decode(stdout));
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("KvsServer.start() works in a program with -A and no other flag", async () => {
  assertEquals(await run(["-A"], []), HAS_EPOLL ? SHARING : FALLBACK);
});

Deno.test("KvsServer.start() falls back where Workers cannot share a port", async () => {
  assertEquals(await run(BASIC, []), FALLBACK);
  assertEquals(await run([...BASIC, "--unstable-net"], []), SHARING);
});

Deno.test("KvsServer.start() uses the pool that it is told, or none", async () => {
  assertEquals(await run(BASIC, ["reuse-port"]), {
    error: `Error: Cannot use pool reuse-port: ${REASON}`,
    log: [],
  });
  assertEquals(await run(BASIC, ["rayon"]), {
    error:
      'TypeError: Unknown pool "rayon"; expected one of reuse-port, shared-queue, work-stealing, naive',
    log: [],
  });
});
