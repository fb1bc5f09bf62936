import { assert, assertEquals, assertRejects } from "@std/assert";
import { Channel, type ChannelOptions } from "../../client/channel.ts";
import { ConnectionError } from "../../client/errors.ts";

const encoder = new TextEncoder();

/** How many checks for progress the time limit has. */
const CHECKS = 8;

/** A connection whose other end is the test. */
class FakeConn {
  /** What was written, and not yet taken. */
  readonly writes: PromiseWithResolvers<number>[] = [];
  #reading = Promise.withResolvers<
    [buffer: Uint8Array, found: (n: number | null) => void]
  >();
  isClosed = false;

  read(buffer: Uint8Array): Promise<number | null> {
    const { promise, resolve } = Promise.withResolvers<number | null>();
    this.#reading.resolve([buffer, resolve]);
    return promise;
  }

  write(): Promise<number> {
    const write = Promise.withResolvers<number>();
    this.writes.push(write);
    return write.promise;
  }

  close(): void {
    this.isClosed = true;
  }

  /** Sends something to the channel, which has read it on return. */
  async send(text: string): Promise<void> {
    const [buffer, found] = await this.#reading.promise;
    this.#reading = Promise.withResolvers();
    found(encoder.encodeInto(text, buffer).written);
    await this.#reading.promise;
  }
}

/** Opens a channel whose checks for progress the test makes. */
function openChannel(options: Omit<ChannelOptions, "timeoutMs"> = {}) {
  const conn = new FakeConn();
  const channel = new Channel(
    conn as unknown as Deno.Conn,
    "a:1",
    { timeoutMs: 30_000, ...options },
  );
  const { setInterval, clearInterval } = globalThis;
  let timer: { readonly check: () => void; readonly ms: number } | undefined;
  Object.assign(globalThis, {
    setInterval: (check: () => void, ms: number) => {
      timer = { check, ms };
      return 1;
    },
    clearInterval: () => timer = undefined,
  });
  return {
    conn,
    channel,
    /** Lets some parts of the time limit pass. */
    pass(checks: number): void {
      for (let i = 0; i < checks; i++) timer?.check();
    },
    get isTimed(): boolean {
      return timer !== undefined;
    },
    get intervalMs(): number | undefined {
      return timer?.ms;
    },
    [Symbol.dispose](): void {
      channel.close();
      Object.assign(globalThis, { setInterval, clearInterval });
    },
  };
}

/** Lets promises that are settled run what waits for them. */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

const readAnswer = (answer: unknown) => answer;

Deno.test("Channel gives up when nothing has come for its time limit", async () => {
  using opened = openChannel();
  const { channel, conn, pass } = opened;
  const answer = channel.request("a", readAnswer);
  assertEquals(opened.intervalMs, 30_000 / CHECKS);
  pass(CHECKS);
  assert(!conn.isClosed);
  pass(1);
  const error = await assertRejects(() => answer, ConnectionError);
  assertEquals(
    error.message,
    "Connection to a:1 timed out with 1 request unanswered: no answer within 30 s",
  );
  assert(conn.isClosed);
  assert(!opened.isTimed);
});

Deno.test("Channel waits as long as parts of answers come", async () => {
  using opened = openChannel();
  const { channel, conn, pass } = opened;
  const answers = [1, 2].map(() => channel.request("a", readAnswer));
  for (const part of ['{"Ok"', ':"', "one", '"}\n', '{"Ok":null']) {
    pass(CHECKS);
    await conn.send(part);
  }
  assertEquals(await answers[0], { ok: "one" });
  pass(CHECKS);
  await conn.send("}\n");
  assertEquals(await answers[1], { ok: null });
});

Deno.test("Channel waits as long as the server takes what is sent", async () => {
  using opened = openChannel();
  const { channel, conn, pass } = opened;
  const answer = channel.request("a".repeat(10), readAnswer);
  for (let i = 0; i < 3; i++) {
    await settle();
    pass(CHECKS);
    conn.writes.shift()!.resolve(3);
  }
  await settle();
  pass(CHECKS + 1);
  await assertRejects(() => answer, ConnectionError, "timed out");
});

Deno.test("Channel counts no time in which nothing is asked", async () => {
  using opened = openChannel();
  const { channel, conn, pass } = opened;
  assert(!opened.isTimed);
  for (let i = 0; i < 2; i++) {
    const answer = channel.request("a", readAnswer);
    pass(CHECKS);
    await conn.send('{"Ok":null}\n');
    assertEquals(await answer, { ok: null });
    // The timer stays until it has found nothing to wait for
    assert(opened.isTimed);
    pass(1);
    assert(!opened.isTimed);
    pass(2 * CHECKS);
  }
  assert(!conn.isClosed);
});

Deno.test("Channel asks whether the server lives while a long request is under way", async () => {
  const probes: (PromiseWithResolvers<void> & { signal: AbortSignal })[] = [];
  using opened = openChannel({
    probe(signal) {
      const probe = { ...Promise.withResolvers<void>(), signal };
      probes.push(probe);
      return probe.promise;
    },
  });
  const { channel, conn, pass } = opened;
  const answer = channel.request("a", readAnswer, { isLong: true });
  for (let i = 1; i <= 3; i++) {
    pass(CHECKS);
    assertEquals(probes.length, i);
    probes[i - 1].resolve();
    await settle();
  }
  pass(CHECKS / 2);
  probes[3].reject(new Error("Nobody there"));
  await settle();
  pass(CHECKS / 2);
  assert(!conn.isClosed);
  assert(!probes[3].signal.aborted);
  pass(1);
  await assertRejects(() => answer, ConnectionError, "no answer within 30 s");
  assert(probes[3].signal.aborted);
});

Deno.test("Channel asks nobody for the sake of other requests", async () => {
  using opened = openChannel({
    probe: () => Promise.reject(new Error("Probed")),
  });
  const answer = opened.channel.request("a", readAnswer);
  opened.pass(CHECKS + 1);
  await assertRejects(() => answer, ConnectionError, "timed out");
});

Deno.test("Channel without a time limit has no timer", () => {
  const conn = new FakeConn();
  using opened = openChannel();
  const channel = new Channel(conn as unknown as Deno.Conn, "a:1");
  channel.request("a", readAnswer).catch(() => {});
  assert(!opened.isTimed);
  channel.close();
});
