/**
 * Clients that want to use up what the server has. What memory it takes is
 * printed, and is what the documentation says of it.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { ServerProcess } from "../e2e/_kvs.ts";
import {
  connect,
  get,
  lines,
  oneShot,
  receive,
  send,
  set,
} from "../e2e/_tcp.ts";
import { attack, sleep, untilHungUp } from "./_attack.ts";
import { setting } from "./_settings.ts";

const encoder = new TextEncoder();
const chunk = new Uint8Array(1024 * 1024);

const NEWLINE = 10;
const OK = '{"Ok":null}\n';
const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * KIBIBYTE;

const IDLE = setting("KVS_TORTURE_IDLE", 10_000);
const BUSY_ONCE = setting("KVS_TORTURE_BUSY_ONCE", 500);
const SLOW = setting("KVS_TORTURE_SLOW", 1_000);
const TINY = setting("KVS_TORTURE_TINY", 1_000_000);
const RESETS = setting("KVS_TORTURE_RESETS", 2_000);
const HUGE_BYTES = setting("KVS_TORTURE_HUGE", 1024 * MEBIBYTE);

/** What garbage that is not collected yet may come to. */
const GARBAGE_BYTES = 256 * MEBIBYTE;

/** Opens connections, not too many at a time, and closes them in the end. */
async function withConnections(
  server: ServerProcess,
  count: number,
  body: (conns: readonly Deno.TcpConn[]) => Promise<void>,
): Promise<void> {
  const conns: Deno.TcpConn[] = [];
  try {
    while (conns.length < count) {
      const some = Math.min(200, count - conns.length);
      conns.push(
        ...await Promise.all(
          Array.from({ length: some }, () => connect(server.addr)),
        ),
      );
    }
    await body(conns);
  } finally {
    for (const conn of conns) conn.close();
  }
}

/** Reads to the end, be it a reset. */
async function receiveRest(conn: Deno.TcpConn): Promise<string> {
  let text = "";
  await untilHungUp(async () => {
    for (let line = ""; (line = await receive(conn, 1)) !== ""; text += line);
  });
  return text;
}

/** Sends a large request, and returns the length of the answer. */
async function exchange(
  conn: Deno.TcpConn,
  request: Uint8Array,
): Promise<number> {
  for (let left = request; left.length > 0;) {
    left = left.subarray(await conn.write(left));
  }
  for (let length = 0;;) {
    const count = await conn.read(chunk);
    if (count === null) return length;
    length += count;
    if (chunk[count - 1] === NEWLINE) return length;
  }
}

/** Sends pieces until so much is sent, or until the server has hung up. */
async function sendMuch(
  conn: Deno.TcpConn,
  totalBytes: number,
  piece: string,
): Promise<number> {
  let sentBytes = 0;
  await untilHungUp(async () => {
    while (sentBytes < totalBytes) {
      await send(conn, piece);
      sentBytes += piece.length;
    }
  });
  return sentBytes;
}

attack(`${IDLE} idle connections`, {
  args: ["--max-connections", `${IDLE + 100}`],
  maxMemoryBytes: IDLE * 48 * KIBIBYTE + GARBAGE_BYTES,
}, (server) =>
  withConnections(server, IDLE, async (conns) => {
    // Each has been served once.
    for (const conn of conns) await send(conn, lines(get("missing")));
    for (const conn of conns) assertEquals(await receive(conn, 1), OK);
  }));

attack(`${BUSY_ONCE} connections that are idle after large requests`, {
  maxMemoryBytes: BUSY_ONCE * 64 * KIBIBYTE + GARBAGE_BYTES * 2,
}, async (server) => {
  const value = "x".repeat(900 * KIBIBYTE);
  const small = encoder.encode(lines(get("k")));
  const blanks = " ".repeat(8 * MEBIBYTE);
  const large = encoder.encode(`{"Get":${blanks}{"key":"missing"}}\n`);
  assertEquals(await oneShot(server.addr, set("k", value)), OK);
  await withConnections(server, BUSY_ONCE, async (conns) => {
    for (const [i, conn] of conns.entries()) {
      assertEquals(await exchange(conn, small), value.length + 10);
      if (i % 10 > 0) continue;
      assertEquals(await exchange(conn, large), OK.length);
    }
  });
});

attack(`${SLOW} slow senders`, {
  args: ["--request-timeout", "3"],
  maxMemoryBytes: SLOW * 200 * KIBIBYTE + GARBAGE_BYTES,
}, (server) =>
  withConnections(server, SLOW, async (conns) => {
    const part = `{"Set":{"key":"k","value":"${"x".repeat(64 * KIBIBYTE)}`;
    let told = 0;
    const rests = Promise.all(conns.map(async (conn) => {
      const rest = await receiveRest(conn);
      if (rest !== "") told++;
      assert(
        /^(\{"Err":"Request not finished within 3000 ms \(--request-timeout\)"\}\n)?$/
          .test(rest),
      );
    }));
    await Promise.all(conns.map((conn) =>
      untilHungUp(async () => {
        await send(conn, part);
        // However slowly they send, the time is over at some time.
        for (let i = 0; i < 60; i++) {
          await sleep(200);
          await send(conn, "x");
        }
        throw new Error("It listens for 12 seconds");
      })
    ));
    await rests;
    assert(told > SLOW / 2, `Only ${told} were told why`);
  }));

attack(`${SLOW} senders that want a gigabyte`, {
  args: ["--max-buffer-size", "64M"],
  maxMemoryBytes: 64 * MEBIBYTE + SLOW * 200 * KIBIBYTE + GARBAGE_BYTES,
}, (server) =>
  withConnections(server, SLOW, async (conns) => {
    const part = `{"Set":{"key":"k","value":"${"x".repeat(MEBIBYTE)}`;
    let refused = 0;
    for (const conn of conns) {
      await untilHungUp(() => send(conn, part));
      const rest = receiveRest(conn).then((text) => {
        if (/^\{"Err":"Too much under way/.test(text)) refused++;
      });
      // Reads until it is refused, or closed in the end.
      rest.catch(() => {});
    }
    for (let i = 0; i < 100 && refused <= SLOW / 2; i++) await sleep(100);
    assert(refused > SLOW / 2, `Only ${refused} were refused`);
  }));

attack("readers that never read", {
  args: ["--unread-timeout", "2"],
  // A value, and its answer in an array that has grown.
  maxMemoryBytes: 20 * 3 * 8 * MEBIBYTE + GARBAGE_BYTES,
}, async (server) => {
  const value = "x".repeat(8 * MEBIBYTE);
  assertEquals(await oneShot(server.addr, set("big", value)), OK);
  await withConnections(server, 20, async (conns) => {
    // What is not read from them fills the buffers of the system.
    const mostBytes = 64 * MEBIBYTE;
    const piece = lines(get("big")).repeat(1_000);
    const sent = await Promise.all(
      conns.map((conn) => sendMuch(conn, mostBytes, piece)),
    );
    for (const bytes of sent) assert(bytes < mostBytes, "It reads everything");
  });
});

/** Connects, and begins with a request: else the first wrong one is the last. */
async function connectTrusted(addr: string): Promise<Deno.TcpConn> {
  const conn = await connect(addr);
  await send(conn, lines(get("missing")));
  assertEquals(await receive(conn, 1), OK);
  return conn;
}

for (
  const [name, head] of [
    ["a request of a gibibyte", '{"Set":{"key":"k","value":"'],
    ["a key of a gibibyte", '{"Get":{"key":"'],
    ["a line of a gibibyte that is no JSON", "x"],
  ]
) {
  attack(name, {
    // The longest request there may be, in arrays that double.
    maxMemoryBytes: 3 * 64 * MEBIBYTE + GARBAGE_BYTES,
  }, async (server) => {
    using conn = await connectTrusted(server.addr);
    const answer = receiveRest(conn);
    await send(conn, head);
    const piece = "x".repeat(256 * KIBIBYTE);
    const sentBytes = await sendMuch(conn, HUGE_BYTES, piece);
    assert(sentBytes < HUGE_BYTES, "It has taken everything");
    assert(
      /^(\{"Err":"Request of \d+ bytes exceeds .*\n)?$/.test(await answer),
    );
  });
}

attack("deep nesting", { maxMemoryBytes: GARBAGE_BYTES }, async (server) => {
  const depth = 20 * MEBIBYTE;
  for (const bracket of ["[", '{"a":']) {
    const deep = bracket.repeat(Math.floor(depth / bracket.length));
    using conn = await connectTrusted(server.addr);
    await send(conn, `${deep}\n`);
    await conn.closeWrite();
    const answer = await receive(conn);
    assertStringIncludes(answer, "Nested deeper than 32 levels");
  }
});

attack("many members", { maxMemoryBytes: GARBAGE_BYTES }, async (server) => {
  for (const item of ["{},", "[],", '{"a":1},']) {
    const items = item.repeat(Math.floor(40 * MEBIBYTE / item.length));
    using conn = await connectTrusted(server.addr);
    await send(conn, `{"Get":{"a":[${items}1]}}\n`);
    await conn.closeWrite();
    const answer = await receive(conn);
    assertStringIncludes(answer, "More than 1000 commas outside of strings");
  }
});

attack(`${TINY} tiny requests`, {
  maxMemoryBytes: GARBAGE_BYTES,
}, async (server) => {
  using conn = await connectTrusted(server.addr);
  const PIECE = 10_000;
  const piece = "1\n".repeat(PIECE);
  let answered = 0;
  for (let sent = 0; sent < TINY; sent += PIECE) {
    const [answers] = await Promise.all([
      receive(conn, PIECE),
      send(conn, piece),
    ]);
    answered += answers.split("\n").length - 1;
  }
  assertEquals(answered, Math.ceil(TINY / PIECE) * PIECE);
});

attack(`${RESETS} clients that reset in the middle`, {
  maxMemoryBytes: GARBAGE_BYTES * 2,
}, async (server) => {
  const request = lines(set("k", "x".repeat(100_000)), get("k"), get("k"));
  for (let i = 0; i < RESETS; i++) {
    using conn = await connect(server.addr);
    await send(conn, lines(get("k")));
    if (i % 2 === 0) await sleep(1);
    // With answers unread, closing is a reset.
    await send(conn, request.slice(0, 1 + (i * 7919) % request.length));
    if (i % 3 === 0) await sleep(1);
  }
});
