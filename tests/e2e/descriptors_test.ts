import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ServerProcess } from "./_kvs.ts";
import { test } from "./_targets.ts";
import { connect, get, lines, receive, send, set } from "./_tcp.ts";

/** Descriptors left for connections, and for files of the store. */
const FREE_DESCRIPTORS = 16;
const CONNECTIONS = 40;
/** How long an answer is waited for that must not come, in milliseconds. */
const SILENCE_MS = 300;

const hasPrlimit = Deno.build.os === "linux" &&
  await new Deno.Command("prlimit", { args: ["--version"] }).output()
    .then(({ success }) => success, () => false);

for (const pool of hasPrlimit ? ["reuse-port", "shared-queue"] : []) {
  test(`kvs serve lives on without free descriptors (${pool})`, async (root) => {
    await using server = await ServerProcess.start(
      ...["--dir", `${root}/data`, "--pool", pool, "--threads", "1"],
    );
    const { addr, pid } = server;
    using first = await connect(addr);
    // From here on the store has the files open that it needs.
    await send(first, lines(set("k", "v"), get("k")));
    assertEquals(await receive(first, 2), '{"Ok":null}\n{"Ok":"v"}\n');

    const open = [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
    await limitDescriptors(pid, open + FREE_DESCRIPTORS);
    const connections: Deno.TcpConn[] = [];
    try {
      for (let i = 0; i < CONNECTIONS; i++) {
        connections.push(await connect(addr));
        await send(connections[i], lines(get("k")));
      }
      await server.logged("Cannot accept connections");
      assertStringIncludes(server.log, "Too many open files");
      assertEquals(await receive(connections[0], 1), '{"Ok":"v"}\n');
      let isAnswered = false;
      const last = receive(connections[CONNECTIONS - 1], 1);
      last.then(() => isAnswered = true, () => {});
      await new Promise((resolve) => setTimeout(resolve, SILENCE_MS));
      assert(!isAnswered, "Was accepted");
      // Whoever is connected is served.
      await send(first, lines(set("k", "w"), get("k")));
      assertEquals(await receive(first, 2), '{"Ok":null}\n{"Ok":"w"}\n');
      // Those that wait have their turn as soon as others have gone.
      for (const conn of connections.splice(0, CONNECTIONS - 1)) conn.close();
      assertStringIncludes(await last, '{"Ok":"');
      assertEquals(server.log.match(/Cannot accept/g)?.length, 1);
    } finally {
      for (const conn of connections) conn.close();
    }
    server.signal("SIGTERM");
    assertEquals((await server.end()).code, 0);
  });
}

/** Lets a process have no more than so many descriptors at a time. */
async function limitDescriptors(pid: number, count: number): Promise<void> {
  const { success } = await new Deno.Command("prlimit", {
    args: ["--pid", `${pid}`, `--nofile=${count}:${count}`],
  }).output();
  assert(success);
}
