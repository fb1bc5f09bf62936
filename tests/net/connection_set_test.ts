import { assert, assertEquals } from "@std/assert";
import { setImmediate } from "node:timers";
import { retryIfSlow, until, within } from "../_deadline.ts";
import { ConnectionSet } from "../../net/connection_set.ts";
import { DenoListener } from "../../net/deno_sockets.ts";
import { Limiter } from "../../net/limiter.ts";
import { allLimits } from "../../net/limits.ts";
import type { RequestHandler } from "../../net/connection.ts";
import type { AnswerBuffer } from "../../protocol/json/answer_buffer.ts";
import type { RequestBuffer } from "../../protocol/json/request_buffer.ts";
import type { TransportListener } from "../../net/transport.ts";
import { Gauges } from "../../monitor/gauges.ts";
import { aloneMonitor } from "../_monitor.ts";
import { takeRaw } from "./_dialogue.ts";
import { HAS_EPOLL, startLoop } from "./_native.ts";
import {
  QuietTransport,
  ScriptedListener,
  UnclosableTransport,
  UnopenableTransport,
} from "../pool/_scripted_listener.ts";

/** A handler that gives back what comes in, after a function of choice. */
class FakeHandler implements RequestHandler {
  readonly isAdmitted = true;
  closings = 0;
  readonly #run: (requests: RequestBuffer) => void | Promise<void>;

  constructor(
    run: (requests: RequestBuffer) => void | Promise<void> = () => {},
  ) {
    this.#run = run;
  }

  run(
    requests: RequestBuffer,
    answers: AnswerBuffer,
  ): boolean | Promise<boolean> {
    answers.append(takeRaw(requests));
    const ran = this.#run(requests);
    return ran === undefined ? false : ran.then(() => false);
  }

  close(): void {
    this.closings++;
  }
}

/** A handler that has more to run, so many times. */
class LongHandler extends FakeHandler {
  /** How often the event loop had gone on at the last run. */
  turnsAtLast = 0;
  #turns = 0;
  #runs = 0;
  readonly #maxRuns: number;

  constructor(maxRuns: number) {
    super();
    this.#maxRuns = maxRuns;
  }

  override run(_requests: RequestBuffer, answers: AnswerBuffer): boolean {
    answers.append(new Uint8Array(1));
    this.turnsAtLast = this.#turns;
    if (++this.#runs === this.#maxRuns) return false;
    setImmediate(() => this.#turns++);
    return true;
  }
}

/** How connections may come. */
interface Kind {
  readonly name: string;
  /** Listens, and gives what to await once everything has ended. */
  listen(): {
    readonly listener: TransportListener;
    readonly port: number;
    end(): Promise<void>;
  };
}

const KINDS: readonly Kind[] = [{
  name: "Deno's sockets",
  listen() {
    const listener = new DenoListener(
      Deno.listen({ hostname: "127.0.0.1", port: 0 }),
    );
    return { listener, port: listener.addr.port, end: () => Promise.resolve() };
  },
}, ...HAS_EPOLL ? [{ name: "our own", listen: startLoop }] : []];

type Body = (
  set: ConnectionSet,
  connect: () => Promise<Deno.TcpConn>,
  log: readonly string[],
) => Promise<void>;

/** Runs a body with connections that are served by the handlers given. */
type WithConnections = (
  makeHandler: () => RequestHandler,
  body: Body,
) => Promise<void>;

/** Declares a test for each kind of socket. */
function test(
  name: string,
  run: (withConnections: WithConnections) => Promise<void>,
): void {
  for (const { name: kind, listen } of KINDS) {
    Deno.test(`${name} (${kind})`, () =>
      run((makeHandler, body) => serve(listen, makeHandler, body)));
  }
}

/** Connections without limits, and what is logged of them. */
function makeSet(makeHandler: () => RequestHandler) {
  const log: string[] = [];
  const set = new ConnectionSet(
    makeHandler,
    (level, message) => log.push(`${level}: ${message}`),
    new Limiter(
      allLimits(),
      new Gauges(Gauges.share(1), 0),
      aloneMonitor().counters,
    ),
  );
  return { set, log };
}

async function serve(
  listen: Kind["listen"],
  makeHandler: () => RequestHandler,
  body: Body,
): Promise<void> {
  const { set, log } = makeSet(makeHandler);
  const { listener, port, end } = listen();
  const accepting = set.acceptFrom(listener);
  const conns: Deno.TcpConn[] = [];
  try {
    await body(set, async () => {
      const conn = await Deno.connect({ hostname: "127.0.0.1", port });
      conns.push(conn);
      return conn;
    }, log);
  } finally {
    listener.close();
    await set.close(0);
    await accepting;
    await end();
    for (const conn of conns) close(conn);
  }
}

function close(conn: Deno.TcpConn): void {
  try {
    conn.close();
  } catch (error) {
    // The test has closed it already.
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

async function echo(conn: Deno.TcpConn, text: string): Promise<string | null> {
  await conn.write(new TextEncoder().encode(text));
  return await read(conn);
}

async function read(conn: Deno.TcpConn): Promise<string | null> {
  const chunk = new Uint8Array(1024);
  const count = await within("an answer", conn.read(chunk));
  return count === null
    ? null
    : new TextDecoder().decode(chunk.subarray(0, count));
}

test("ConnectionSet.acceptFrom() serves connections side by side", (withConnections) =>
  withConnections(() => new FakeHandler(), async (_set, connect, log) => {
    const conns = await Promise.all([connect(), connect(), connect()]);
    for (const [i, conn] of [...conns, ...conns].entries()) {
      assertEquals(await echo(conn, `${i}`), `${i}`);
    }
    assertEquals(log, []);
  }));

test("ConnectionSet logs an error of one connection and serves the others", (withConnections) => {
  let isFirst = true;
  const makeHandler = () => {
    const isFailing = isFirst;
    isFirst = false;
    return new FakeHandler(() => {
      if (isFailing) throw new Error("out of order");
    });
  };
  return withConnections(makeHandler, async (_set, connect, log) => {
    const failing = await connect();
    const other = await connect();
    assertEquals(await echo(failing, "a"), null);
    assertEquals(await echo(other, "b"), "b");
    assertEquals(await echo(await connect(), "c"), "c");
    assertEquals(log, ["error: Connection failed: Error: out of order"]);
  });
});

test("ConnectionSet is not disturbed by clients that vanish", (withConnections) =>
  withConnections(() => new FakeHandler(), async (_set, connect, log) => {
    for (let i = 0; i < 10; i++) {
      const conn = await connect();
      await conn.write(new Uint8Array(1024));
      // With an answer unread, so that the other end sees a reset.
      conn.close();
    }
    assertEquals(await echo(await connect(), "here"), "here");
    assertEquals(log, []);
  }));

test("ConnectionSet.close() closes idle connections at once", (withConnections) =>
  withConnections(() => new FakeHandler(), async (set, connect) => {
    const conns = await Promise.all([connect(), connect()]);
    for (const conn of conns) await echo(conn, "served");
    // Far longer than the test may take: that is for those that are busy.
    await within("idle connections to be closed", set.close(600_000));
    for (const conn of conns) assertEquals(await read(conn), null);
  }));

Deno.test("ConnectionSet.close() closes at once what is not open yet", async () => {
  const transport = new QuietTransport();
  const listener = new ScriptedListener([transport]);
  const { set } = makeSet(() => new FakeHandler());
  const accepting = set.acceptFrom(listener);
  await listener.drained.promise;
  await within("it to be closed", set.close(600_000));
  assertEquals(transport.closings, 1);
  listener.close();
  await accepting;
});

test("ConnectionSet.close() lets a batch that is running end", (withConnections) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const started = Promise.withResolvers<void>();
  const run = () => {
    started.resolve();
    return promise;
  };
  return withConnections(() => new FakeHandler(run), async (set, connect) => {
    const conn = await connect();
    const answer = echo(conn, "answered");
    await started.promise;
    const closed = set.close(5_000);
    resolve();
    assertEquals(await answer, "answered");
    assertEquals(await read(conn), null);
    await closed;
  });
});

test("ConnectionSet.close() waits no longer than told", (withConnections) => {
  const started = Promise.withResolvers<void>();
  const run = () => {
    started.resolve();
    return new Promise<void>(() => {});
  };
  return withConnections(() => new FakeHandler(run), async (set, connect) => {
    const conn = await connect();
    const answer = echo(conn, "unanswered");
    await started.promise;
    await set.close(20);
    assertEquals(await answer, null);
  });
});

test("ConnectionSet closes a handler once, however its connection ends", (withConnections) => {
  const handlers: FakeHandler[] = [];
  const made = () => {
    const handler = new FakeHandler((requests) => {
      if (handlers.length === 2) throw new Error("Out of order");
      if (handlers.length === 3) requests.break();
    });
    handlers.push(handler);
    return handler;
  };
  return withConnections(made, async (set, connect) => {
    const ended = await connect();
    assertEquals(await echo(ended, "a"), "a");
    assertEquals(handlers[0].closings, 0);
    ended.close();
    await closed(handlers[0]);
    await echo(await connect(), "throws");
    await closed(handlers[1]);
    const broken = await connect();
    await echo(broken, "breaks");
    broken.close();
    await closed(handlers[2]);
    assertEquals(await echo(await connect(), "idle"), "idle");
    await set.close(1_000);
    assertEquals(handlers.map(({ closings }) => closings), [1, 1, 1, 1]);
  });
});

function closed(handler: FakeHandler): Promise<void> {
  return until("the handler to be closed", () => handler.closings > 0);
}

/** How long a client is listened to that is told nothing more, in ms. */
const LINGER_MS = 500;

/** A handler that gives back the first read, and understands no more. */
function makeBroken(onRun = () => {}): RequestHandler {
  return new FakeHandler((requests) => {
    requests.break();
    onRun();
  });
}

test("ConnectionSet lets a client that still sends read the last answer", (withConnections) => {
  let hasRun = Promise.withResolvers<void>();
  const makeHandler = () => makeBroken(() => hasRun.resolve());
  return withConnections(makeHandler, async (_set, connect, log) => {
    await retryIfSlow(LINGER_MS, async () => {
      hasRun = Promise.withResolvers();
      const conn = await connect();
      await conn.write(new TextEncoder().encode("nonsense"));
      await within("the handler to run", hasRun.promise);
      // Arrives when the server has nothing more to say.
      for (let i = 0; i < 10; i++) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        await conn.write(new Uint8Array(50_000));
      }
      assertEquals(await read(conn), "nonsense");
      assertEquals(await read(conn), null);
    });
    assertEquals(log, []);
  });
});

test("ConnectionSet listens no longer than a while to a client that does not end", (withConnections) =>
  withConnections(() => makeBroken(), async (_set, connect, log) => {
    const quiet = await connect();
    assertEquals(await echo(quiet, "a"), "a");
    assertEquals(await read(quiet), null);
    const startMs = performance.now();
    const loud = await connect();
    assertEquals(await echo(loud, "b"), "b");
    let sentBytes = 0;
    await untilReset("the loud connection", async () => {
      sentBytes += await loud.write(new Uint8Array(64 * 1024));
    });
    const lingeredMs = performance.now() - startMs;
    assert(
      sentBytes >= 1024 * 1024 || lingeredMs >= LINGER_MS,
      `${sentBytes} bytes in ${lingeredMs} ms`,
    );
    // The quiet one is reset as well, though it sent nothing until now.
    await untilReset(
      "the quiet connection",
      () => quiet.write(new Uint8Array(1)),
    );
    assertEquals(log, []);
  }));

/** Waits until sending fails. */
function untilReset(what: string, send: () => Promise<unknown>): Promise<void> {
  return until(
    `${what} to be reset`,
    () => send().then(() => false, () => true),
  );
}

test("ConnectionSet serves others beside a connection without a pause", (withConnections) =>
  withConnections(() => new FakeHandler(), async (_set, connect) => {
    const loud = await connect();
    let isOver = false;
    const flood = Promise.all([
      (async () => {
        while (!isOver) await loud.write(new Uint8Array(1024));
        await loud.closeWrite();
      })(),
      (async () => {
        while (await loud.read(new Uint8Array(64 * 1024)) !== null);
      })(),
    ]);
    const other = await connect();
    for (let i = 0; i < 20; i++) {
      const answer = within("the other connection", echo(other, `${i}`));
      assertEquals(await answer, `${i}`);
    }
    isOver = true;
    await flood;
  }));

test("ConnectionSet lets the event loop go on between the batches of a connection", async (withConnections) => {
  const batches = 100;
  const handler = new LongHandler(batches);
  await withConnections(() => handler, async (_set, connect) => {
    const conn = await connect();
    await conn.write(new Uint8Array(1));
    const answers = new Uint8Array(batches);
    for (let length = 0; length < batches;) {
      const read = await within("answers", conn.read(answers));
      length += read ?? batches;
    }
  });
  assertEquals(handler.turnsAtLast, batches - 1);
});

Deno.test("ConnectionSet counts no connection that fails before it is served", async () => {
  const gauges = Gauges.share(1);
  const counted = () => Gauges.read(gauges).connections;
  const log: string[] = [];
  let handlers = 0;
  const unclosable = new FakeHandler();
  unclosable.close = () => {
    throw new Error("Handler cannot be closed");
  };
  const set = new ConnectionSet(
    () => {
      switch (handlers++) {
        case 0:
          throw new Error("No handler");
        case 1:
          return unclosable;
        default:
          return new FakeHandler();
      }
    },
    (level, message) => log.push(`${level}: ${message}`),
    new Limiter(
      allLimits({ maxConnections: 1 }),
      new Gauges(gauges, 0),
      aloneMonitor().counters,
    ),
  );
  const failing = [
    new QuietTransport(),
    new UnopenableTransport(),
    new UnclosableTransport(),
    new UnopenableTransport(),
  ];
  const served = new QuietTransport();
  const refused = [new QuietTransport(), new UnopenableTransport()];
  const listener = new ScriptedListener([...failing, served, ...refused]);
  const accepting = set.acceptFrom(listener);
  await listener.drained.promise;
  assertEquals(failing.map(({ closings }) => closings), [1, 1, 1, 1]);
  assertEquals(counted(), 1);
  assertEquals(served.closings, 0);
  assertEquals(refused[1].closings, 1);
  listener.close();
  await set.close(0);
  await accepting;
  assertEquals([counted(), served.closings], [0, 1]);
  const failed = "error: Connection failed: Error: Cannot be opened";
  assertEquals(log, [
    "warn: Cannot accept connections: Error: No handler",
    ...Array(3).fill(failed),
    "warn: Refusing connections: Too many connections, the limit is 1 (--max-connections)",
  ]);
});
