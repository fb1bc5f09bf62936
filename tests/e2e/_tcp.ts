/**
 * Raw TCP clients.
 *
 * @module
 */

import { parseAddr } from "../../addr.ts";
import { within } from "../_deadline.ts";

const encoder = new TextEncoder();

/**
 * Connects to a server.
 *
 * @param addr Where it listens.
 * @returns The connection.
 */
export function connect(addr: string): Promise<Deno.TcpConn> {
  return Deno.connect(parseAddr(addr));
}

/**
 * Sends text, all of it.
 *
 * @param conn The connection.
 * @param text The text.
 */
export async function send(conn: Deno.TcpConn, text: string): Promise<void> {
  for (let left = encoder.encode(text); left.length > 0;) {
    left = left.subarray(await conn.write(left));
  }
}

/**
 * Reads answers.
 *
 * @param conn The connection.
 * @param lines After how many lines to stop.
 * @returns The lines, fewer if the connection ends, with their newlines.
 * @throws {Error} If nothing comes for too long.
 */
export async function receive(
  conn: Deno.TcpConn,
  lines = Infinity,
): Promise<string> {
  const decoder = new TextDecoder();
  const chunk = new Uint8Array(64 * 1024);
  let text = "";
  let found = 0;
  while (found < lines) {
    const count = await within("an answer", conn.read(chunk));
    if (count === null) break;
    const bytes = chunk.subarray(0, count);
    for (const byte of bytes) if (byte === 10) found++;
    text += decoder.decode(bytes, { stream: true });
  }
  return text;
}

/**
 * Does as one-shot clients do: sends one request, shuts the sending half down,
 * reads the answer to its end.
 *
 * @param addr Where the server listens.
 * @param request The request; text as it is, everything else as JSON.
 * @returns What came back.
 */
export async function oneShot(
  addr: string,
  request: unknown,
): Promise<string> {
  using conn = await connect(addr);
  await send(
    conn,
    typeof request === "string" ? request : JSON.stringify(request),
  );
  await conn.closeWrite();
  return await receive(conn);
}

/** The request to set a key. */
export function set(key: string, value: string): unknown {
  return { Set: { key, value } };
}

/** The request to look a key up. */
export function get(key: string): unknown {
  return { Get: { key } };
}

/** The request to remove a key. */
export function remove(key: string): unknown {
  return { Remove: { key } };
}

/** Requests one a line, as a pipelining client sends them. */
export function lines(...requests: unknown[]): string {
  return requests.map((request) => `${JSON.stringify(request)}\n`).join("");
}
