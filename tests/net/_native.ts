import { Descriptors } from "../../net/native/descriptors.ts";
import { Libc } from "../../net/native/libc.ts";
import { SocketListener } from "../../net/native/socket_listener.ts";
import { SocketLoop } from "../../net/native/socket_loop.ts";

/** A loop that goes round, and a listener of its. */
export interface RunningLoop {
  readonly loop: SocketLoop;
  readonly listener: SocketListener;
  readonly port: number;
  readonly descriptors: Descriptors;
  /** Ends the loop. */
  end(): Promise<void>;
}

/**
 * Has every call of a loop that fails followed by another failure, so that
 * errno is that one's: as it may be if the runtime makes a call in between.
 *
 * @param loop The loop.
 */
export function disturbErrno(loop: SocketLoop): void {
  const { calls } = loop.libc;
  let waits = 0;
  const disturbed = <A extends unknown[]>(call: (...args: A) => number) =>
  (
    ...args: A
  ) => {
    const result = call(...args);
    if (result < 0) calls.close(-1);
    return result;
  };
  Object.assign(loop.libc, {
    calls: {
      ...calls,
      recv: disturbed(calls.recv),
      send: disturbed(calls.send),
      accept4: disturbed(calls.accept4),
      epoll_wait: disturbed((
        ...args: Parameters<typeof calls.epoll_wait>
      ) => {
        // Now and then a signal comes.
        const isInterrupted = args[3] > 0 && waits++ % 3 === 0;
        return isInterrupted ? -1 : calls.epoll_wait(...args);
      }),
    },
  });
}

/** Whether this system has what a loop needs. */
export const HAS_EPOLL = isAble();

/**
 * Starts a loop, and listens on a free port of 127.0.0.1.
 *
 * @throws {Error} If this system has not what it takes.
 */
export function startLoop(): RunningLoop {
  const libc = Libc.open();
  if (libc === undefined) throw new Error("No epoll here");
  const descriptors = new Descriptors();
  const loop = new SocketLoop(libc, descriptors);
  const port = freePort();
  const listener = new SocketListener(loop, {
    transport: "tcp",
    hostname: "127.0.0.1",
    port,
  });
  const running = loop.run();
  return {
    loop,
    listener,
    port,
    descriptors,
    async end() {
      loop.stop();
      await running;
      libc.close();
    },
  };
}

function isAble(): boolean {
  const libc = Libc.open();
  libc?.close();
  return libc !== undefined;
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
