import { assert, assertEquals, assertRejects } from "@std/assert";
import { within } from "../../_deadline.ts";
import type { Transport } from "../../../net/transport.ts";
import { disturbErrno, HAS_EPOLL, startLoop } from "../_native.ts";

/** A transport, with promises for the callbacks. */
class Peer {
  readonly #transport: Transport;
  #received = Promise.withResolvers<number>();
  #sent = Promise.withResolvers<void>();

  constructor(transport: Transport) {
    this.#transport = transport;
    transport.open({
      opened: () => {},
      received: (count) => this.#received.resolve(count),
      sent: () => this.#sent.resolve(),
      failed: (error) => {
        this.#received.reject(error);
        this.#sent.reject(error);
      },
    });
  }

  read(room: Uint8Array): Promise<number> {
    this.#received = Promise.withResolvers();
    this.#transport.read(room);
    return this.#received.promise;
  }

  send(bytes: Uint8Array): Promise<void> {
    this.#sent = Promise.withResolvers();
    this.#transport.send(bytes);
    return this.#sent.promise;
  }

  endSending(): void {
    this.#transport.endSending();
  }

  close(): void {
    this.#transport.close();
  }
}

/** Runs a body with both ends of a connection, and once more disturbed. */
function test(
  name: string,
  body: (peer: Peer, conn: Deno.TcpConn) => Promise<void>,
): void {
  for (const isDisturbed of [false, true]) {
    testOnce(
      isDisturbed ? `${name}, whatever errno is` : name,
      body,
      isDisturbed,
    );
  }
}

function testOnce(
  name: string,
  body: (peer: Peer, conn: Deno.TcpConn) => Promise<void>,
  isDisturbed: boolean,
): void {
  Deno.test({
    name,
    ignore: !HAS_EPOLL,
    async fn() {
      const { loop, listener, port, descriptors, end } = startLoop();
      if (isDisturbed) disturbErrno(loop);
      const [transport, conn] = await Promise.all([
        listener.accept(),
        Deno.connect({ hostname: "127.0.0.1", port }),
      ]);
      const peer = new Peer(transport);
      try {
        await body(peer, conn);
      } finally {
        peer.close();
        listener.close();
        await end();
        closeIfOpen(conn);
      }
      assertEquals(descriptors.words.some((word) => word !== 0), false);
    },
  });
}

function closeIfOpen(conn: Deno.TcpConn): void {
  try {
    conn.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

/** As many bytes as told, of which neighbours differ. */
function pattern(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length).map((_, i) => i * 31 >>> 3);
}

async function readAll(conn: Deno.TcpConn, bytes: number): Promise<Uint8Array> {
  const all = new Uint8Array(bytes);
  for (let at = 0; at < bytes;) {
    const count = await conn.read(all.subarray(at));
    if (count === null) return all.subarray(0, at);
    at += count;
  }
  return all;
}

test(
  "Socket.send() sends all, however slowly the other end takes it",
  async (peer, conn) => {
    const bytes = pattern(16 * 1024 * 1024);
    let isSent = false;
    const sent = peer.send(bytes).then(() => isSent = true);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assertEquals(isSent, false);
    const received = await readAll(conn, bytes.length);
    // Not assertEquals(), which takes a second for so many.
    assertEquals(received.length, bytes.length);
    assert(received.every((byte, i) => byte === bytes[i]));
    await sent;
  },
);

test(
  "Socket.read() gives what has come, piece by piece, and then the end",
  async (peer, conn) => {
    const bytes = pattern(100_000);
    const written = (async () => {
      for (let at = 0; at < bytes.length;) {
        at += await conn.write(bytes.subarray(at));
      }
      await conn.closeWrite();
    })();
    const got: number[] = [];
    for (;;) {
      const room = new Uint8Array(1_000);
      const count = await peer.read(room);
      if (count === 0) break;
      got.push(...room.subarray(0, count));
    }
    assertEquals(Uint8Array.from(got), bytes);
    await written;
  },
);

test(
  "Socket.read() sees an end that came together with the bytes before it",
  async (peer, conn) => {
    // Waits first, so that the loop watches it.
    const room = new Uint8Array(100);
    const first = peer.read(room);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await conn.write(pattern(10));
    assertEquals(await first, 10);
    await conn.write(pattern(20));
    await conn.closeWrite();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assertEquals(await peer.read(room), 20);
    assertEquals(await peer.read(room), 0);
    await peer.send(pattern(5));
    peer.endSending();
    assertEquals(await readAll(conn, 100), pattern(5));
  },
);

test(
  "Socket.read() goes on after the loop has been idle",
  async (peer, conn) => {
    for (let i = 0; i < 5; i++) {
      const room = new Uint8Array(10);
      const read = peer.read(room);
      await new Promise((resolve) => setTimeout(resolve, 30));
      await conn.write(pattern(i + 1));
      assertEquals(await read, i + 1);
    }
  },
);

test(
  "Socket tells that the other end has reset the connection",
  async (peer, conn) => {
    const read = peer.read(new Uint8Array(10));
    await conn.write(pattern(1));
    assertEquals(await read, 1);
    conn.close();
    // The first is answered with a reset.
    await peer.send(pattern(10));
    await new Promise((resolve) => setTimeout(resolve, 20));
    await assertRejects(
      () => peer.send(pattern(10)),
      Deno.errors.ConnectionReset,
    );
  },
);

Deno.test({
  name:
    "SocketLoop leaves the Worker's event loop its turn while sockets are busy",
  ignore: !HAS_EPOLL,
  async fn() {
    const { listener, port, end } = startLoop();
    const [transport, conn] = await Promise.all([
      listener.accept(),
      Deno.connect({ hostname: "127.0.0.1", port }),
    ]);
    const room = new Uint8Array(64 * 1024);
    const echo = {
      opened: () => transport.read(room),
      received: (count: number) =>
        count === 0
          ? transport.close()
          : transport.send(room.subarray(0, count)),
      sent: () => transport.read(room),
      failed: () => transport.close(),
    };
    transport.open(echo);
    let isOver = false;
    const flood = Promise.all([
      (async () => {
        while (!isOver) await conn.write(new Uint8Array(64 * 1024));
        await conn.closeWrite();
      })(),
      (async () => {
        while (await conn.read(new Uint8Array(64 * 1024)) !== null);
      })(),
    ]);
    for (let i = 0; i < 20; i++) {
      const timer = new Promise((resolve) => setTimeout(resolve, 1));
      await within("a timer to fire beside the flood", timer);
    }
    isOver = true;
    await flood;
    listener.close();
    await end();
    conn.close();
  },
});

Deno.test({
  name:
    "SocketListener accepts many connections at once, and refuses once closed",
  ignore: !HAS_EPOLL,
  async fn() {
    const { listener, port, end } = startLoop();
    const address = { hostname: "127.0.0.1", port };
    const conns = await Promise.all(
      Array.from({ length: 200 }, () => Deno.connect(address)),
    );
    const transports: Transport[] = [];
    for (const _ of conns) transports.push(await listener.accept());
    for (const transport of transports) transport.close();
    for (const conn of conns) {
      assertEquals(await conn.read(new Uint8Array(1)), null);
      conn.close();
    }
    const waiting = listener.accept().catch((error) => error);
    listener.close();
    assert(await waiting instanceof Deno.errors.BadResource);
    const error = await listener.accept().catch((error) => error);
    assert(error instanceof Deno.errors.BadResource);
    await end();
  },
});
