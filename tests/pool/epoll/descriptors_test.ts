import { assertEquals, assertRejects } from "@std/assert";
import { Descriptors } from "../../../pool/epoll/descriptors.ts";
import { Libc } from "../../../pool/epoll/libc.ts";
import { HAS_EPOLL } from "../_epoll.ts";

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

Deno.test({
  name:
    "Descriptors.closeAll() frees clients and the port of a Worker that died",
  ignore: !HAS_EPOLL,
  async fn() {
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

    const libc = Libc.open()!;
    descriptors.closeAll(libc);
    libc.close();
    assertEquals(await conn.read(new Uint8Array(1)), null);
    await assertRejects(
      () => Deno.connect({ hostname, port }),
      Deno.errors.ConnectionRefused,
    );
    assertEquals(descriptors.words.some((word) => word !== 0), false);
  },
});

Deno.test("Descriptors.delete() strikes out one descriptor and no other", () => {
  const descriptors = new Descriptors();
  for (const fd of [0, 31, 32, 1_000_000]) descriptors.add(fd);
  descriptors.delete(31);
  descriptors.delete(7);
  assertEquals(
    [...descriptors.words.entries()].filter(([, word]) => word !== 0),
    [[0, 1], [1, 1], [1_000_000 / 32, 1]],
  );
});
