/**
 * A Worker that listens, accepts one connection, and dies when it is told.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import { Descriptors } from "../../../net/native/descriptors.ts";
import { Libc } from "../../../net/native/libc.ts";
import { SocketListener } from "../../../net/native/socket_listener.ts";
import { SocketLoop } from "../../../net/native/socket_loop.ts";

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
