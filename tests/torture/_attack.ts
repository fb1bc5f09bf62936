/**
 * Servers under attack.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { PoolStrategy } from "../../pool/pool.ts";
import { resolvesWithin } from "../../net/waiting.ts";
import { ServerProcess } from "../e2e/_kvs.ts";
import { get, oneShot, set } from "../e2e/_tcp.ts";

const MEBIBYTE = 1024 * 1024;

/** How long a client may have to wait for an answer meanwhile, in ms. */
const MAX_PROBE_MS = 10_000;

/** How long a server may take to notice that clients have gone, in ms. */
const MAX_LEAVE_MS = 10_000;

/** The pools whose connections differ: one of each kind of listener. */
const POOLS: readonly PoolStrategy[] = ["reuse-port", "shared-queue"];

/** What the test of an attack demands. */
export interface AttackOptions {
  /** Arguments of `kvs serve`. */
  readonly args?: readonly string[];
  /**
   * The pools to attack.
   *
   * @default one of each kind of listener
   */
  readonly pools?: readonly PoolStrategy[];
  /** The most memory that the attack may cost, in bytes. */
  readonly maxMemoryBytes: number;
}

/**
 * Registers tests that attack a server, which has to serve a probe all the
 * while, take no more memory than it may, let go of every connection, log no
 * error and end as it should. What it took is printed.
 *
 * @param name The attack, as the end of the sentence "kvs serve bears …".
 * @param options What is demanded.
 * @param body Attacks the server, and ends the connections it has made.
 */
export function attack(
  name: string,
  { args = [], pools = POOLS, maxMemoryBytes }: AttackOptions,
  body: (server: ServerProcess) => Promise<void>,
): void {
  for (const pool of pools) {
    Deno.test(`kvs serve bears ${name} (${pool})`, async () => {
      const root = Deno.makeTempDirSync({ prefix: "kvs_attack_" });
      try {
        await using server = await ServerProcess.start(
          ...["--dir", `${root}/data`, "--sync", "no", "--threads", "2"],
          ...["--pool", pool, ...args],
        );
        const takenBytes = await attacked(server, body);
        console.log(
          `${name} (${pool}): ${Math.round(takenBytes / MEBIBYTE)} MiB more`,
        );
        assert(takenBytes <= maxMemoryBytes, `${takenBytes} bytes more`);
        server.signal("SIGTERM");
        assertEquals((await server.end()).code, 0, server.log);
        assertEquals(/ERROR|^ +at /m.exec(server.log), null, server.log);
      } finally {
        Deno.removeSync(root, { recursive: true });
      }
    });
  }
}

/**
 * Runs an attack.
 *
 * @returns How much more memory the server took at its worst, in bytes.
 */
async function attacked(
  server: ServerProcess,
  body: (server: ServerProcess) => Promise<void>,
): Promise<number> {
  assertEquals(
    await oneShot(server.addr, set("probe", "here")),
    '{"Ok":null}\n',
  );
  const { pid } = server;
  const beforeBytes = memoryBytes(pid, "VmRSS");
  const descriptors = countDescriptors(pid);
  // Forgets the most memory until now.
  Deno.writeTextFileSync(`/proc/${pid}/clear_refs`, "5");
  let isOver = false;
  const probed = (async () => {
    while (!isOver) {
      await probe(server.addr);
      await sleep(50);
    }
  })();
  // Without waiting for the attack where the probe has failed.
  await Promise.race([
    body(server).finally(() => isOver = true),
    probed.then(() => new Promise<never>(() => {})),
  ]);
  await probed;
  const deadline = performance.now() + MAX_LEAVE_MS;
  // What the server has opened of its own account, such as its log's files.
  while (countDescriptors(pid) > descriptors + 16) {
    assert(performance.now() < deadline, "Connections are left over");
    await sleep(50);
  }
  return memoryBytes(pid, "VmHWM") - beforeBytes;
}

async function probe(addr: string): Promise<void> {
  const answered = oneShot(addr, get("probe"))
    .then((answer) => assertEquals(answer, '{"Ok":"here"}\n'));
  assert(
    await resolvesWithin(answered, MAX_PROBE_MS),
    `The probe was not served within ${MAX_PROBE_MS} ms`,
  );
}

/** The memory that a process has in use now, or had at most. */
function memoryBytes(pid: number, which: "VmRSS" | "VmHWM"): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(new RegExp(`${which}:\\s+(\\d+)`).exec(status)?.[1]) * 1024;
}

function countDescriptors(pid: number): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}

/**
 * Waits.
 *
 * @param ms How many milliseconds.
 */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * Runs a function, to which it is all the same whether the server hangs up.
 *
 * @param talk Talks to the server.
 */
export async function untilHungUp(talk: () => Promise<void>): Promise<void> {
  try {
    await talk();
  } catch (error) {
    if (
      !(error instanceof Deno.errors.BrokenPipe ||
        error instanceof Deno.errors.ConnectionReset)
    ) throw error;
  }
}
