/**
 * What servers do with a connection that does not begin as a client's does.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { KvsClient } from "../client.ts";
import type { KvsEngine } from "../engine/engine.ts";
import type { PoolStrategy } from "../pool/pool.ts";
import { eventLoopTurn } from "../net/waiting.ts";
import { parseAddr } from "../addr.ts";
import { OPENINGS, SMUGGLED, SMUGGLED_KEY } from "./_openings.ts";
import { withEngine } from "./_server.ts";
import { connect, receive } from "./e2e/_tcp.ts";

const TOKEN = "sesame";
const AUTH = `\n{"Auth":{"token":"${TOKEN}"}}`;

/** All pools; "localhost" makes Workers that listen use Deno's sockets. */
const SERVERS: readonly { pool: PoolStrategy; host: string }[] = [
  { pool: "reuse-port", host: "127.0.0.1" },
  { pool: "reuse-port", host: "localhost" },
  { pool: "shared-queue", host: "127.0.0.1" },
  { pool: "work-stealing", host: "127.0.0.1" },
  { pool: "naive", host: "127.0.0.1" },
];

/** Sends pieces, each in a write of its own, and reads to the end. */
async function converse(
  addr: string,
  pieces: readonly Uint8Array[],
): Promise<string> {
  using conn = await connect(addr);
  conn.setNoDelay(true);
  const sent = (async () => {
    for (const piece of pieces) {
      for (let left = piece; left.length > 0;) {
        left = left.subarray(await conn.write(left));
      }
      // Gives the server the chance to read it alone.
      for (let i = 0; i < 3 && pieces.length > 1; i++) await eventLoopTurn();
    }
    await conn.closeWrite();
  })();
  const answers = await receive(conn);
  await sent;
  return answers;
}

async function sendAll(
  addr: string,
  engine: KvsEngine,
  token: string | undefined,
): Promise<void> {
  const tail = new TextEncoder().encode(
    (token === undefined ? "" : AUTH) + SMUGGLED,
  );
  for (const [name, opening] of OPENINGS) {
    const whole = Uint8Array.from([...opening, ...tail]);
    const ways = [
      [whole],
      [opening, tail],
      [whole.subarray(0, 1), whole.subarray(1)],
    ];
    await Promise.all(ways.map(async (pieces) => {
      const answers = await converse(addr, pieces);
      assert(/^\{"Err":".*"\}\n$/.test(answers), `${name}: ${answers}`);
    }));
    assertEquals(await engine.get(SMUGGLED_KEY), undefined, name);
  }
}

for (const { pool, host } of SERVERS) {
  for (const token of [undefined, TOKEN]) {
    const which = `${pool}, ${host}${token === undefined ? "" : ", token"}`;
    Deno.test(`KvsServer runs nothing after another protocol's opening (${which})`, () =>
      withEngine(async (engine, start) => {
        await using server = await start({ pool, token, addr: `${host}:0` });
        await sendAll(server.addr, engine, token);
        using client = await KvsClient.connect(server.addr, { token });
        await client.set(SMUGGLED_KEY, "a client's");
        assertEquals(await engine.get(SMUGGLED_KEY), "a client's");
      }));
  }
}

for (const { pool, host } of SERVERS) {
  Deno.test(`KvsServer runs nothing that a browser can send (${pool}, ${host})`, () =>
    withEngine(async (engine, start) => {
      await using server = await start({ pool, addr: `${host}:0` });
      const bytes = new TextEncoder().encode(SMUGGLED);
      for (
        const path of ["", "?", "?{", '?{"', `?${"[".repeat(40)}`, "?{}", "#{"]
      ) {
        for (const head of [[], [0xff], [0x7b]]) {
          // As a page may send it to another origin without asking first.
          const fetched = fetch(`http://${server.addr}/${path}`, {
            method: "POST",
            mode: "no-cors",
            headers: { "content-type": "text/plain" },
            body: Uint8Array.from([...head, ...bytes]),
          });
          await assertRejects(() => fetched);
          assertEquals(await engine.get(SMUGGLED_KEY), undefined, path);
        }
      }
      const { port } = parseAddr(server.addr);
      for (const alpnProtocols of [[], [SMUGGLED], ["h2", `{${SMUGGLED}`]]) {
        await assertRejects(async () => {
          const hostname = "localhost";
          using conn = await Deno.connectTls({ hostname, port, alpnProtocols });
          await conn.handshake();
        });
        assertEquals(await engine.get(SMUGGLED_KEY), undefined);
      }
      using client = await KvsClient.connect(server.addr);
      assertEquals(await client.get(SMUGGLED_KEY), undefined);
    }));
}
