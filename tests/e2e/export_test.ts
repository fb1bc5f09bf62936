import { assertEquals } from "@std/assert";
import { KvsClient } from "../../client.ts";
import { formatAddr } from "../../addr.ts";
import { Churn, exportMoments } from "./_churn.ts";
import { kvs, ServerProcess } from "./_kvs.ts";
import { test } from "./_targets.ts";

test(
  "kvs export shows one moment of a server that is written to and compacts",
  async (root) => {
    const dir = `${root}/data`;
    await using churn = await Churn.start(dir);
    await exportMoments(churn, ["--addr", churn.addr]);
  },
);

test(
  "kvs export says so where a server takes no snapshot",
  async (root) => {
    const dir = `${root}/data`;
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
  },
);
