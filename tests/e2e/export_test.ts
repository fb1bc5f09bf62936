import { assert, assertEquals } from "@std/assert";
import { KvsClient } from "../../client.ts";
import { formatAddr } from "../../protocol/addr.ts";
import { Churn, roundOf } from "./_churn.ts";
import { kvs, ServerProcess } from "./_kvs.ts";

/** Runs a test with a data directory that does not exist yet. */
function test(name: string, body: (dir: string) => Promise<void>): void {
  Deno.test(name, async () => {
    const root = Deno.makeTempDirSync({ prefix: "kvs_export_" });
    try {
      await body(`${root}/data`);
    } finally {
      Deno.removeSync(root, { recursive: true });
    }
  });
}

test("kvs export shows one moment of a server that is written to and compacts", async (dir) => {
  await using churn = await Churn.start(dir);
  let lastRound = 0;
  let changes = 0;
  for (let tries = 0; changes < 3; tries++) {
    assert(tries < 50, `Only ${changes} changes in ${tries} tries`);
    const { acknowledgedRound } = churn;
    const exported = await kvs(["export", "--addr", churn.addr]);
    assertEquals([exported.code, exported.stderr], [0, ""]);
    const round = roundOf(exported.stdout);
    assert(round >= acknowledgedRound, `${round} after ${acknowledgedRound}`);
    assert(round >= lastRound, `Round ${round} after ${lastRound}`);
    if (round > lastRound) changes++;
    lastRound = round;
  }
});

test("kvs export says so where a server takes no snapshot", async (dir) => {
  await using server = await ServerProcess.start("--dir", dir);
  using one = await KvsClient.connect(server.addr);
  using two = await KvsClient.connect(server.addr);
  await Promise.all([one.snapshot(), two.snapshot()]);
  assertEquals(await kvs(["export", "--addr", server.addr]), {
    code: 1,
    stdout: "",
    stderr:
      "error: Cannot take a snapshot: Too many snapshots are open, the limit is 2\n",
  });
  await two.releaseSnapshot();
  assertEquals(await kvs(["export", "--addr", server.addr]), {
    code: 0,
    stdout: "",
    stderr: "",
  });

  using old = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const refusing = (async () => {
    using conn = await old.accept();
    await conn.read(new Uint8Array(100));
    const answer = '{"Err":"Unknown request \\"Snapshot\\"; expected Get"}\n';
    await conn.write(new TextEncoder().encode(answer));
    await conn.read(new Uint8Array(100));
  })();
  assertEquals(await kvs(["export", "--addr", formatAddr(old.addr)]), {
    code: 1,
    stdout: "",
    stderr:
      'error: Cannot take a snapshot: Unknown request "Snapshot"; expected Get\n',
  });
  await refusing;
});
