import { assert, assertEquals, assertRejects } from "@std/assert";
import { DEADLINE_MS, until } from "../_deadline.ts";
import { get, lines, receive, send, set } from "../e2e/_tcp.ts";
import { packageFlags } from "../../bench/support/deno_flags.ts";
import { withObedientPool } from "./_obedient.ts";

/** Connects as soon as the first Worker listens. */
async function connectEarly(
  address: Deno.ConnectOptions,
): Promise<Deno.TcpConn> {
  let conn: Deno.TcpConn | undefined;
  await until("somebody to listen", async () => {
    conn = await Deno.connect(address).catch(() => undefined);
    return conn !== undefined;
  });
  conn!.setNoDelay(true);
  return conn!;
}

/** Long enough for an answer that must not come. */
function aMoment(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 100));
}

async function received(conn: Deno.TcpConn): Promise<string> {
  try {
    return await receive(conn, 2);
  } catch (error) {
    // Closed before it was accepted.
    assert(error instanceof Deno.errors.ConnectionReset, `${error}`);
    return "";
  }
}

Deno.test("ReusePortPool.listen() serves nobody if one Worker fails to start", async () => {
  await withObedientPool(2, async ({ pool, address, get, order }) => {
    const listening = pool.listen(address);
    order(0, "start");
    using conn = await connectEarly(address);
    await send(conn, lines(set("k", "too early")));
    const answers = received(conn);
    await aMoment();
    order(1, "fail");
    await assertRejects(() => listening, Error, "Worker 1 was told to fail");
    assertEquals(await get("k"), undefined);
    await pool.close(DEADLINE_MS);
    assertEquals(await answers, "");
    assertEquals(await get("k"), undefined);
  });
});

Deno.test("ReusePortPool.listen() serves all who connected before every Worker was ready", async () => {
  await withObedientPool(2, async ({ pool, address, order }) => {
    const listening = pool.listen(address);
    order(1, "start");
    using early = await connectEarly(address);
    await send(early, lines(set("k", "v"), get("k")));
    const answers = received(early);
    let isAnswered = false;
    answers.then(() => isAnswered = true);
    await aMoment();
    assertEquals(isAnswered, false);
    order(0, "start");
    await listening;
    assertEquals(await answers, '{"Ok":null}\n{"Ok":"v"}\n');
    const late = await Promise.all(Array.from({ length: 50 }, async () => {
      using conn = await Deno.connect(address);
      await send(conn, lines(get("k"), get("k")));
      return await received(conn);
    }));
    assertEquals(late, Array(50).fill('{"Ok":"v"}\n{"Ok":"v"}\n'));
  });
});

Deno.test("ReusePortPool.listen() takes a free port that the system gives to nobody else", async () => {
  await withObedientPool(1, async ({ pool, address, order }) => {
    const listening = pool.listen({ ...address, port: 0 });
    order(0, "start");
    const { port } = await listening;
    assert(port >= 20_000 && port < 32_768, `${port}`);
  });
});

Deno.test("ReusePortPool forgets the snapshots of a Worker that has died", async () => {
  const script = new URL("./_snapshots_of_the_dead.ts", import.meta.url);
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ..."run -A --quiet --no-check --unstable-net".split(" "),
      ...packageFlags(),
      script.href,
    ],
  }).output();
  const decoder = new TextDecoder();
  assertEquals(code, 0, decoder.decode(stderr));
  assertEquals(JSON.parse(decoder.decode(stdout)), {
    before: { snapshots: 1, connections: 1, files: 1 },
    after: { snapshots: 0, connections: 0, files: 0 },
  });
});
