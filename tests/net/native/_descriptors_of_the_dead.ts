/**
 * Tests of the descriptors of a Worker that dies; they run in a process of
 * their own, where there is epoll.
 *
 * @module
 */

import { assertEquals, assertRejects } from "@std/assert";
import { Descriptors } from "../../../net/native/descriptors.ts";

/** Waits for a Worker's next message, or for its end. */
function next(worker: Worker): Promise<string> {
  return new Promise((resolve) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => {
      event.preventDefault();
      resolve("died");
    };
  });
}

Deno.test("Descriptors.closeAll() frees clients and the port of a Worker that died", async () => {
  const descriptors = new Descriptors();
  const probe = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { hostname, port } = probe.addr;
  probe.close();
  const worker = new Worker(
    new URL("./_dying_worker.ts", import.meta.url),
    { type: "module" },
  );
  const listening = next(worker);
  worker.postMessage({
    address: { transport: "tcp", hostname, port },
    words: descriptors.words,
  });
  assertEquals(await listening, "listening");
  const accepted = next(worker);
  using conn = await Deno.connect({ hostname, port });
  assertEquals(await accepted, "accepted");
  const ended = next(worker);
  worker.postMessage("die");
  assertEquals(await ended, "died");

  descriptors.closeAll();
  assertEquals(await conn.read(new Uint8Array(1)), null);
  await assertRejects(
    () => Deno.connect({ hostname, port }),
    Deno.errors.ConnectionRefused,
  );
  assertEquals(descriptors.words.some((word) => word !== 0), false);
});
