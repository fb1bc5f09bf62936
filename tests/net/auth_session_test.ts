import { assert, assertEquals } from "@std/assert";
import { totalsOf } from "../../monitor/counters.ts";
import { Monitor, shareMonitor } from "../../monitor/monitor.ts";
import { AuthSession } from "../../net/auth_session.ts";
import type { Session } from "../../net/session.ts";
import { hashToken } from "../../protocol/token_hash.ts";
import { aloneMonitor } from "../_monitor.ts";

const encoder = new TextEncoder();

const AUTH = '{"Auth":{"token":"sesame"}}\n';
const OK = '{"Ok":null}\n';
/** What ends the line of the token is left to the session, which skips it. */
const LINE_END = "\n";
const REQUIRED =
  '{"Err":"Authentication required: send {\\"Auth\\":{\\"token\\":\\"…\\"}} before anything else"}\n';
const FAILED = '{"Err":"Authentication failed: wrong token"}\n';

/** Answers with what came in, in pieces of which it runs a few at a time. */
class Echo implements Session {
  isBroken = false;
  readonly phase = "idle";
  readonly heldBytes = 0;
  isEnded = false;
  isClosed = false;
  readonly #room = new Uint8Array(8);
  #unread: number[] = [];
  #answers = new Uint8Array(0);

  space(): Uint8Array {
    // As a view of the input would be void, so is what has not run yet.
    assertEquals(this.#unread, []);
    return this.#room;
  }

  commit(countBytes: number): void {
    this.#unread = [...this.#room.subarray(0, countBytes)];
  }

  end(): void {
    this.isEnded = true;
  }

  run(): boolean | Promise<boolean> {
    this.#answers = Uint8Array.from(this.#unread.splice(0, 3));
    const isMore = this.#unread.length > 0;
    return this.#answers.length === 2 ? Promise.resolve(isMore) : isMore;
  }

  answers(): Uint8Array {
    return this.#answers;
  }

  forgetAnswers(): void {
    this.#answers = new Uint8Array(0);
  }

  close(): void {
    this.isClosed = true;
  }
}

/** Does with a session what a connection does. */
async function feed(session: Session, text: string): Promise<string> {
  let answers = "";
  const run = async () => {
    for (;;) {
      const isMore = await session.run();
      answers += new TextDecoder().decode(session.answers());
      session.forgetAnswers();
      if (!isMore) return;
    }
  };
  for (let left = encoder.encode(text); left.length > 0;) {
    const space = session.space();
    const piece = left.subarray(0, space.length);
    space.set(piece);
    session.commit(piece.length);
    left = left.subarray(piece.length);
    await run();
    if (session.isBroken) break;
  }
  return answers;
}

function make(monitor = aloneMonitor()) {
  const made: Echo[] = [];
  const session = new AuthSession(hashToken("sesame"), () => {
    const echo = new Echo();
    made.push(echo);
    return echo;
  }, monitor.counters);
  return { session, made };
}

Deno.test("AuthSession refuses everything before the token", async () => {
  const { session, made } = make();
  const requests = [
    '{"Get":{"key":"k"}}\n',
    '{"Set":{"key":"k","value":"v"}}\n',
    '{"Remove":{"key":"k"}}\n',
    '{"Compact":{}}\n',
    "nonsense\n",
    '{"Auth":{}}\n',
    '{"Auth":{"token":1}}\n',
  ];
  for (const request of requests) {
    assertEquals(await feed(session, request), REQUIRED);
  }
  assertEquals(await feed(session, requests.join("")), REQUIRED.repeat(7));
  assertEquals([made.length, session.isBroken], [0, false]);
});

Deno.test("AuthSession hands what follows the token to the session", async () => {
  for (const rest of ["", "ab", "abcdefgh", "abcdefghijklmnopqrstuvwxyz"]) {
    const { session, made } = make();
    const before = '{"Get":{"key":"k"}}\n';
    assertEquals(
      await feed(session, before + AUTH + rest),
      REQUIRED + OK + LINE_END + rest,
    );
    assertEquals(await feed(session, "more of it"), "more of it");
    assertEquals(made[0].isEnded, false);
    session.end();
    assertEquals([made.length, made[0].isEnded], [1, true]);
    assertEquals(made[0].isClosed, false);
    session.close();
    assertEquals(made[0].isClosed, true);
  }
});

Deno.test("AuthSession tells the session of an end that came with the token", async () => {
  for (const rest of ["", "abcdefghijklmnopqrstuvwxyz"]) {
    const { session, made } = make();
    const input = encoder.encode(AUTH + rest);
    session.space().set(input);
    session.commit(input.length);
    session.end();
    let answers = "";
    for (let isMore = true; isMore;) {
      isMore = await session.run();
      answers += new TextDecoder().decode(session.answers());
      session.forgetAnswers();
    }
    assertEquals(answers, OK + LINE_END + rest);
    assertEquals(made[0].isEnded, true);
  }
});

Deno.test("AuthSession breaks off at a wrong token", async () => {
  const { session, made } = make();
  const wrong = '{"Auth":{"token":"Sesame"}}\n';
  assertEquals(await feed(session, wrong + AUTH), FAILED);
  assertEquals([made.length, session.isBroken], [0, true]);
});

Deno.test("AuthSession does not hold what a stranger sends", async () => {
  const { session } = make();
  const long = `{"Set":{"key":"k","value":"${"x".repeat(1_000_000)}`;
  assertEquals(await feed(session, long), REQUIRED);
  assertEquals(session.isBroken, true);
});

Deno.test("AuthSession lets refusals leave before they are many", async () => {
  const { session } = make();
  assertEquals(await feed(session, "{}\n"), REQUIRED);
  const space = session.space();
  space.set(encoder.encode("1\n".repeat(space.length / 2)));
  session.commit(space.length);
  let count = 0;
  for (let isMore = true; isMore;) {
    isMore = await session.run();
    assert(session.answers().length <= 65 * 1024);
    count += new TextDecoder().decode(session.answers()).split("\n").length - 1;
    session.forgetAnswers();
  }
  assertEquals(count, space.length / 2);
});

Deno.test("AuthSession counts what it refuses, and who it lets in", async () => {
  const handle = shareMonitor("reuse-port", 1);
  const monitor = new Monitor(handle, 0);
  const { session } = make(monitor);
  await feed(session, '{"Get":{"key":"k"}}\nnonsense\n');
  await feed(session, AUTH);
  await feed(make(monitor).session, '{"Auth":{"token":"Sesame"}}\n');
  const { counts } = totalsOf(handle.counters);
  assertEquals([counts.denied, counts.auth], [3, 1]);
});
