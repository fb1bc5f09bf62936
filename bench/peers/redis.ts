/**
 * Redis, as far as benchmarks need it beyond load.
 *
 * @module
 */

import type { ChildServer } from "../support/child_server.ts";
import { CONNECTIONS, DATA } from "../support/workload.ts";

/** Whether a program is installed, and how to get it if not. */
export async function findProgram(name: string): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(name, {
      args: ["--version"],
      stdout: "null",
      stderr: "null",
    }).output();
    return success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** The settings of a Redis that logs what it is told. */
export function logSettings(
  appendfsync: "no" | "always",
): Readonly<Record<string, string>> {
  return { appendonly: "yes", appendfsync };
}

/** Asks Redis what memory it has in use for its data. */
export async function usedMemory(server: ChildServer): Promise<number> {
  using connection = await Deno.connect({
    hostname: "127.0.0.1",
    port: server.port,
  });
  await connection.write(new TextEncoder().encode("INFO memory\r\n"));
  const room = new Uint8Array(16 * 1024);
  let text = "";
  for (;;) {
    const read = await connection.read(room);
    if (read === null) throw new Error("Redis does not tell its memory");
    text += new TextDecoder().decode(room.subarray(0, read));
    const found = /^used_memory:([0-9]+)\r$/m.exec(text);
    if (found !== null) return Number(found[1]);
  }
}

/** Measures Redis with its own load generator. */
export async function redisBenchmark(
  server: ChildServer,
  depth: number,
  requests: number,
): Promise<number> {
  const { stdout } = await new Deno.Command("redis-benchmark", {
    args: [
      ...["-p", `${server.port}`, "-c", `${CONNECTIONS}`, "-P", `${depth}`],
      ...["-n", `${requests}`, "-r", `${DATA.keys}`, "-t", "get", "--csv"],
    ],
    stderr: "null",
  }).output();
  const found = /^"GET","([0-9.]+)"/m.exec(new TextDecoder().decode(stdout));
  if (found === null) throw new Error("redis-benchmark printed no rate");
  return Number(found[1]);
}
