/**
 * A server that does nothing but frame: it answers each line with a fixed one.
 * It has a server's sockets, reads and writes, and nothing else, so a server
 * in Deno can hardly be faster: it is the ceiling that results are compared
 * with.
 *
 * Its arguments are the number of Workers and the length of a reply in bytes;
 * it prints its port once it listens. It needs `--unstable-net --allow-net`
 * and `--allow-read`.
 *
 * @module
 */

import type { EchoTask } from "./echo_worker.ts";

if (import.meta.main) {
  const [threads, replyBytes] = Deno.args.map(Number);
  const port = freePort();
  await Promise.all(
    Array.from({ length: threads }, () => start({ port, replyBytes })),
  );
  console.log(port);
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

function start(task: EchoTask): Promise<void> {
  const url = new URL("./echo_worker.ts", import.meta.url);
  const worker = new Worker(url, { type: "module" });
  return new Promise((resolve) => {
    worker.onmessage = () => resolve();
    worker.postMessage(task);
  });
}
