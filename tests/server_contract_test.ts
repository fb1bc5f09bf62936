import { assert, assertEquals, assertRejects } from "@std/assert";
import { retryIfSlow, within } from "./_deadline.ts";
import { KvsClient } from "../client.ts";
import { ENGINE_NAMES } from "../engine/directory.ts";
import { POOL_STRATEGIES } from "../pool/pool.ts";
import { eventLoopTurn } from "../net/waiting.ts";
import { parseAddr } from "../addr.ts";
import { withEngine } from "./_server.ts";
import { Random } from "./engine/kvs/_helpers.ts";
import { connect, get, lines, receive, remove, send, set } from "./e2e/_tcp.ts";

const OK = '{"Ok":null}\n';
const MIB = 1024 * 1024;

/**
 * Waits without a timer: in a thread that has opened LevelDB, Deno 2.7 fires
 * one no sooner than some other that was set before it, or never.
 */
async function pause(ms: number): Promise<void> {
  const endMs = performance.now() + ms;
  do await eventLoopTurn(); while (performance.now() < endMs);
}

/** How long a client is listened to that is told nothing more, in ms. */
const LINGER_MS = 500;

/** How a text is cut: in pieces of random sizes. */
interface Cut {
  readonly random: Random;
  readonly maxPieceBytes: number;
}

/** Sends text, whole or in pieces, and reads so many answers. */
async function exchange(
  addr: string,
  text: string,
  answers: number,
  cut?: Cut,
): Promise<string> {
  using conn = await connect(addr);
  const [received] = await Promise.all([
    receive(conn, answers),
    cut === undefined ? send(conn, text) : sendInPieces(conn, text, cut),
  ]);
  return received;
}

async function sendInPieces(
  conn: Deno.TcpConn,
  text: string,
  { random, maxPieceBytes }: Cut,
): Promise<void> {
  for (let at = 0; at < text.length;) {
    const end = at + 1 + random.below(maxPieceBytes);
    await send(conn, text.slice(at, end));
    at = end;
    // Now and then, so that some pieces are read one by one.
    if (random.below(10) === 0) await pause(0);
  }
}

/** A conversation of one client, which tells any mix-up of answers. */
function conversation(name: string, rounds: number) {
  const requests: unknown[] = [];
  let answers = "";
  for (let i = 0; i < rounds; i++) {
    const key = `${name} ${i}`;
    requests.push(set(key, `${i}`), get(key), { Nonsense: i }, remove(key));
    requests.push(get(key));
    answers += `${OK}{"Ok":"${i}"}\n`;
    answers += '{"Err":"Unknown request: expected';
    answers += ` …\n${OK}${OK}`;
  }
  return { text: lines(...requests), answers, count: requests.length };
}

/** Leaves out of errors what is not of interest here. */
function shortened(answers: string): string {
  return answers.replaceAll(
    /"Err":"Unknown[^\n]*/g,
    '"Err":"Unknown request: expected …',
  );
}

for (const pool of POOL_STRATEGIES) {
  for (const engineName of ENGINE_NAMES) {
    // A Worker for each batch takes its time.
    const isNaive = pool === "naive";

    Deno.test(`KvsServer keeps its contract (${pool}, ${engineName})`, (t) =>
      withEngine(async (engine, start) => {
        await engine.set("before", "1");
        await using server = await start({ pool });
        const { addr } = server;
        assert(parseAddr(addr).port > 0);

        await t.step(
          "serves clients that see each other's writes",
          async () => {
            const count = isNaive ? 2 : 8;
            const clients = await Promise.all(
              Array.from({ length: count }, () => KvsClient.connect(addr)),
            );
            assertEquals(await clients[0].get("before"), "1");
            await Promise.all(clients.map((client, i) =>
              Promise.all(
                Array.from(
                  { length: 50 },
                  (_, key) => client.set(`${i} ${key}`, `${key}`),
                ),
              )
            ));
            for (const [i, client] of clients.entries()) {
              assertEquals(await client.get(`${(i + 1) % count} 49`), "49");
              assertEquals(await client.remove(`${i} 0`), true);
              assertEquals(await client.remove(`${i} 0`), false);
            }
            for (const client of clients) client.close();
          },
        );

        await t.step(
          "keeps answers in order, however requests are cut",
          async () => {
            const connections = isNaive ? 2 : 40;
            await Promise.all(
              Array.from({ length: connections }, async (_, i) => {
                const talk = conversation(`${i}`, 40);
                const cut = {
                  random: new Random(i),
                  maxPieceBytes: 1 + i * 20,
                };
                const answers = await exchange(
                  addr,
                  talk.text,
                  talk.count,
                  isNaive ? undefined : cut,
                );
                assertEquals(shortened(answers), talk.answers);
              }),
            );
          },
        );

        await t.step("serves more connections than it has slots", async () => {
          const conns = await Promise.all(
            Array.from({ length: isNaive ? 3 : 300 }, () => connect(addr)),
          );
          const texts = conns.map((_, i) =>
            lines(set(`many ${i}`, `${i}`), get(`many ${i}`))
          );
          // All at the same time, and only then is the first answer read.
          await Promise.all(conns.map((conn, i) => send(conn, texts[i])));
          const answers = await Promise.all(
            conns.map((conn) => receive(conn, 2)),
          );
          for (const [i, answer] of answers.entries()) {
            assertEquals(answer, `${OK}{"Ok":"${i}"}\n`);
          }
          for (const conn of conns) conn.close();
        });

        await t.step("takes thousands of requests in one write", async () => {
          const count = 5_000;
          const text = lines(...Array(count).fill(get("before")));
          const answers = await exchange(addr, text, count);
          assert(answers === '{"Ok":"1"}\n'.repeat(count));
        });

        await t.step("takes values and answers of some megabytes", async () => {
          const value = "v".repeat(3 * MIB);
          const text = lines(set("big", value), ...Array(4).fill(get("big")));
          const answers = await exchange(addr, text, 5);
          // Not assertEquals(), which would print megabytes.
          assert(answers === OK + `{"Ok":"${value}"}\n`.repeat(4));
        });

        await t.step({
          name: "takes a request of 64 MiB, and what follows it",
          // It is the same way to either engine, and a long one.
          ignore: engineName !== "kvs",
          fn: async () => {
            const head = '{"Get":{"key":"before"}';
            const largest = head + " ".repeat(64 * MIB - head.length - 2) +
              "}\n";
            const text = largest + lines(...Array(4_000).fill(get("before")));
            const answers = await exchange(addr, text, 4_001);
            assert(answers === '{"Ok":"1"}\n'.repeat(4_001));
          },
        });

        await t.step("answers what cannot be framed, and closes", async () => {
          await retryIfSlow(LINGER_MS, async () => {
            using conn = await connect(addr);
            await send(conn, lines(get("before")) + "POST / HTTP/1.1\r\n");
            // Comes too late to be read, and yet there is an answer.
            for (let i = 0; i < 5; i++) {
              await pause(2);
              await send(conn, "Content-Length: 2\r\n");
            }
            assertEquals(
              await receive(conn),
              '{"Ok":"1"}\n{"Err":"This port does not speak HTTP"}\n',
            );
          });
        });

        await t.step("stops with clients connected", async () => {
          const idle = await Promise.all([0, 1, 2].map(() => connect(addr)));
          await send(idle[0], lines(set("last", "1")));
          assertEquals(await receive(idle[0], 1), OK);
          await within("the stop of the server", server.stop());
          for (const conn of idle) {
            assertEquals(await receive(conn), "");
            conn.close();
          }
          await assertRejects(() => KvsClient.connect(addr), Error);
          // The engine is its owner's again.
          assertEquals(await engine.get("last"), "1");
          assertEquals(await engine.get("0 0"), undefined);
        });
      }, engineName));
  }
}
