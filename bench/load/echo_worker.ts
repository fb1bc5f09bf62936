/**
 * The entry of a Worker of the echo server.
 *
 * @module
 */

/// <reference lib="deno.worker" />

/** What a Worker is told. */
export interface EchoTask {
  /** Where it listens, together with the others. */
  readonly port: number;
  /** The length of each reply, in bytes. */
  readonly replyBytes: number;
}

const NEWLINE = 10;
const ROOM_BYTES = 4 * 1024;

/** The most replies that leave in one write. */
const MAX_REPLIES = 1024;

self.onmessage = ({ data }: MessageEvent<EchoTask>) => {
  const { port, replyBytes } = data;
  const listener = Deno.listen({
    hostname: "127.0.0.1",
    port,
    reusePort: true,
  });
  accept(listener, replies(replyBytes), replyBytes);
  self.postMessage("ready");
};

async function accept(
  listener: Deno.TcpListener,
  replies: Uint8Array,
  replyBytes: number,
): Promise<void> {
  for await (const connection of listener) {
    connection.setNoDelay(true);
    // A connection that is reset is none of this server's business.
    serve(connection, replies, replyBytes).catch(() => {});
  }
}

async function serve(
  connection: Deno.TcpConn,
  replies: Uint8Array,
  replyBytes: number,
): Promise<void> {
  const room = new Uint8Array(ROOM_BYTES);
  try {
    for (;;) {
      const read = await connection.read(room);
      if (read === null) return;
      let left = 0;
      // Few bytes, for which a loop is faster than a call.
      for (let at = 0; at < read; at++) if (room[at] === NEWLINE) left++;
      while (left > 0) {
        const count = Math.min(left, MAX_REPLIES);
        for (let rest = replies.subarray(0, count * replyBytes); rest.length;) {
          rest = rest.subarray(await connection.write(rest));
        }
        left -= count;
      }
    }
  } finally {
    connection.close();
  }
}

/** As many replies as leave in one write, of the shape of a kvs server's. */
function replies(replyBytes: number): Uint8Array {
  const [head, tail] = ['{"Ok":"', '"}\n'];
  const filler = "-".repeat(replyBytes - head.length - tail.length);
  const text = `${head}${filler}${tail}`.repeat(MAX_REPLIES);
  return new TextEncoder().encode(text);
}
