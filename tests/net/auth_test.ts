import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { totalsOf } from "../../monitor/counters.ts";
import { Monitor, shareMonitor } from "../../monitor/monitor.ts";
import { hashToken, isToken, TokenGate } from "../../net/auth.ts";
import type { RequestHandler } from "../../net/connection.ts";
import type { AnswerBuffer } from "../../protocol/json/answer_buffer.ts";
import type { RequestBuffer } from "../../protocol/json/request_buffer.ts";
import { aloneMonitor } from "../_monitor.ts";
import { Dialogue, takeRaw } from "./_dialogue.ts";

const encoder = new TextEncoder();

const AUTH = '{"Auth":{"token":"sesame"}}\n';
const OK = '{"Ok":null}\n';
/** What ends the line of the token is left to the session, which skips it. */
const LINE_END = "\n";
const REQUIRED =
  '{"Err":"Authentication required: send {\\"Auth\\":{\\"token\\":\\"…\\"}} before anything else"}\n';
const FAILED = '{"Err":"Authentication failed: wrong token"}\n';

/** Answers with what came in, in pieces of which it runs a few at a time. */
class Echo implements RequestHandler {
  readonly isAdmitted = true;
  isClosed = false;
  #unread: number[] = [];

  run(
    requests: RequestBuffer,
    answers: AnswerBuffer,
  ): boolean | Promise<boolean> {
    this.#unread.push(...takeRaw(requests));
    answers.append(Uint8Array.from(this.#unread.splice(0, 3)));
    const isMore = this.#unread.length > 0;
    return answers.length === 2 ? Promise.resolve(isMore) : isMore;
  }

  close(): void {
    this.isClosed = true;
  }
}

function make(monitor = aloneMonitor()) {
  const made: Echo[] = [];
  const gate = new TokenGate({
    tokenHash: hashToken("sesame"),
    limits: {},
    makeHandler: () => {
      const echo = new Echo();
      made.push(echo);
      return echo;
    },
    counters: monitor.counters,
  });
  return { session: new Dialogue(gate), made };
}

Deno.test("TokenGate refuses everything before the token", async () => {
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
    assertEquals(await session.send(request), REQUIRED);
  }
  assertEquals(await session.send(requests.join("")), REQUIRED.repeat(7));
  assertEquals([made.length, session.isBroken], [0, false]);
});

Deno.test("TokenGate hands what follows the token to the handler", async () => {
  for (const rest of ["", "ab", "abcdefgh", "abcdefghijklmnopqrstuvwxyz"]) {
    const { session, made } = make();
    const before = '{"Get":{"key":"k"}}\n';
    assertEquals(
      await session.send(before + AUTH + rest),
      REQUIRED + OK + LINE_END + rest,
    );
    assertEquals(await session.send("more of it"), "more of it");
    await session.end();
    assertEquals([made.length, made[0].isClosed], [1, false]);
    session.close();
    assertEquals(made[0].isClosed, true);
  }
});

Deno.test("TokenGate lets the handler know of an end that came with the token", async () => {
  for (const rest of ["", "abcdefghijklmnopqrstuvwxyz"]) {
    const { session } = make();
    const input = encoder.encode(AUTH + rest);
    session.requests.space().set(input);
    session.requests.commit(input.length);
    assertEquals(await session.end(), OK + LINE_END + rest);
  }
  const kinds: (string | undefined)[] = [];
  const gate = new TokenGate({
    tokenHash: hashToken("sesame"),
    limits: {},
    makeHandler: () => ({
      isAdmitted: true,
      run(requests) {
        kinds.push(requests.next()?.kind);
        return false;
      },
      close() {},
    }),
    counters: aloneMonitor().counters,
  });
  const session = new Dialogue(gate);
  assertEquals(await session.send(`${AUTH}{"Get`), OK);
  await session.end();
  // What is not finished is a request as it is, at the end.
  assertEquals(kinds, [undefined, "invalid"]);
});

Deno.test("TokenGate breaks off at a wrong token", async () => {
  const { session, made } = make();
  const wrong = '{"Auth":{"token":"Sesame"}}\n';
  assertEquals(await session.send(wrong + AUTH), FAILED);
  assertEquals([made.length, session.isBroken], [0, true]);
});

Deno.test("TokenGate does not hold what a stranger sends", async () => {
  const { session } = make();
  const long = `{"Set":{"key":"k","value":"${"x".repeat(1_000_000)}`;
  assertEquals(await session.send(long), REQUIRED);
  assertEquals(session.isBroken, true);
});

Deno.test("TokenGate lets refusals leave before they are many", async () => {
  const { session } = make();
  assertEquals(await session.send("{}\n"), REQUIRED);
  const space = session.requests.space();
  space.set(encoder.encode("1\n".repeat(space.length / 2)));
  session.requests.commit(space.length);
  const text = await session.run((answers) =>
    assert(answers.length <= 65 * 1024)
  );
  assertEquals(text.split("\n").length - 1, space.length / 2);
});

Deno.test("TokenGate counts what it refuses, and who it lets in", async () => {
  const handle = shareMonitor("reuse-port", 1);
  const monitor = new Monitor(handle, 0);
  const { session } = make(monitor);
  await session.send('{"Get":{"key":"k"}}\nnonsense\n');
  await session.send(AUTH);
  await make(monitor).session.send('{"Auth":{"token":"Sesame"}}\n');
  const { counts } = totalsOf(handle.counters);
  assertEquals([counts.denied, counts.auth], [3, 1]);
});

Deno.test("isToken() takes the token and nothing else", () => {
  const hash = hashToken("sësame");
  assertEquals(isToken(encoder.encode("sësame"), hash), true);
  for (const other of ["", "s", "sësam", "sësame ", "Sësame", "sësamé"]) {
    assertEquals(isToken(encoder.encode(other), hash), false, other);
  }
});

Deno.test("hashToken() keeps nothing of the token", () => {
  assertEquals(hashToken("a").length, 32);
  assertEquals(hashToken("a"), hashToken(encoder.encode("a")));
  assertNotEquals(hashToken("a"), hashToken("b"));
});
