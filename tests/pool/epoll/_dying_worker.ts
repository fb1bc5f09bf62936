/**
 * A Worker that listens, accepts one connection, and dies when it is told.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import { Descriptors } from "../../../pool/epoll/descriptors.ts";
import { Libc } from "../../../pool/epoll/libc.ts";
import { SocketListener } from "../../../pool/epoll/socket_listener.ts";
import { SocketLoop } from "../../../pool/epoll/socket_loop.ts";

// Its death is reported by the runtime, and ought to be one line.
Error.stackTraceLimit = 0;

self.onmessage = async ({ data: { address, words } }) => {
  const loop = new SocketLoop(Libc.open()!, new Descriptors(words));
  const listener = new SocketListener(loop, address);
  loop.run();
  self.onmessage = () => {
    throw new Error("told to die");
  };
  self.postMessage("listening");
  await listener.accept();
  self.postMessage("accepted");
};
