/**
 * Clients that read and write a few keys as long as there is a server.
 *
 * @module
 */

import { ConnectionError, KvsClient, KvsError } from "../../client.ts";
import {
  type Answer,
  decodeAnswer,
  KEY_NOT_FOUND,
} from "../../protocol/answer.ts";
import { get, oneShot, remove, set } from "../e2e/_tcp.ts";
import { Random } from "../engine/kvs/_helpers.ts";
import type { Action } from "../linearizability/_history.ts";
import type { Recorder, Request } from "./_recorder.ts";

/** The keys of half of the requests: all clients fight for them. */
const HOT_KEYS = keys("hot", 5);

/** The others, which compaction finds alive, and sometimes just overwritten. */
const WARM_KEYS = keys("warm", 200);

/** All keys that clients ask for. */
export const KEYS: readonly string[] = [...HOT_KEYS, ...WARM_KEYS];

/** The most requests of a persistent client that are under way together. */
const MAX_PIPELINED = 12;

/** Values this long need several messages between a server's threads. */
const LARGE_CHARACTERS = 40_000;

/** The longest pause of a client, in milliseconds. */
const MAX_PAUSE_MS = 20;

/** What a client asks for, in the order that its seed determines. */
class Plan {
  readonly random: Random;
  readonly #name: string;
  #values = 0;

  constructor(name: string, seed: number) {
    this.#name = name;
    this.random = new Random(seed);
  }

  next(): Request {
    const { random } = this;
    const keys = random.below(2) === 0 ? HOT_KEYS : WARM_KEYS;
    const key = keys[random.below(keys.length)];
    switch (random.below(8)) {
      case 0:
        return { key, action: { kind: "remove", found: undefined } };
      case 1:
      case 2:
      case 3:
        return { key, action: { kind: "set", value: this.#newValue() } };
      default:
        return { key, action: { kind: "get", value: undefined } };
    }
  }

  /** Rests now and then, or compaction would hardly get to run. */
  async pause(): Promise<void> {
    const { random } = this;
    if (random.below(2) > 0) return;
    const ms = random.below(MAX_PAUSE_MS);
    await new Promise((resolve) => setTimeout(resolve, ms));
  }

  /** A value that nobody else sets, so that a read tells which write it saw. */
  #newValue(): string {
    const { random } = this;
    const length = random.below(60) === 0
      ? LARGE_CHARACTERS
      : random.below(300);
    return `${this.#name}.${++this.#values}`.padEnd(length, "-");
  }
}

/** A client that outlives its servers. */
export interface Client {
  /**
   * Sends requests to a server, for ever.
   *
   * @param addr Where it listens.
   * @throws {Error} When there is no server any more.
   */
  use(addr: string): Promise<never>;
}

/**
 * A client that makes a connection for each request.
 *
 * @param name Which client.
 * @param seed Determines what it asks for.
 * @param recorder Keeps what it learns.
 */
export function oneShotClient(
  name: string,
  seed: number,
  recorder: Recorder,
): Client {
  const plan = new Plan(name, seed);
  return {
    async use(addr) {
      for (;;) {
        const request = plan.next();
        await recorder.record(
          request,
          recorder.newSession(),
          () => askOnce(addr, request),
        );
        await plan.pause();
      }
    },
  };
}

/**
 * A client that keeps its connection, and sends several requests at a time.
 *
 * @param name Which client.
 * @param seed Determines what it asks for.
 * @param recorder Keeps what it learns.
 */
export function persistentClient(
  name: string,
  seed: number,
  recorder: Recorder,
): Client {
  const plan = new Plan(name, seed);
  return {
    async use(addr) {
      using client = await KvsClient.connect(addr);
      const session = recorder.newSession();
      for (;;) {
        const count = 1 +
          plan.random.below(1 + plan.random.below(MAX_PIPELINED));
        const requests = Array.from({ length: count }, () => plan.next());
        const answers = await Promise.allSettled(
          requests.map((request) =>
            recorder.record(request, session, () => ask(client, request))
          ),
        );
        for (const answer of answers) {
          if (answer.status === "rejected") throw answer.reason;
        }
        await plan.pause();
      }
    },
  };
}

/** Asks over a connection that stays. */
export async function ask(
  client: KvsClient,
  { key, action }: Request,
): Promise<Action> {
  switch (action.kind) {
    case "set":
      await client.set(key, action.value);
      return action;
    case "get":
      return { kind: "get", value: await client.get(key) };
    case "remove":
      return { kind: "remove", found: await client.remove(key) };
  }
}

function keys(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${name} ${i}`);
}

async function askOnce(
  addr: string,
  { key, action }: Request,
): Promise<Action> {
  switch (action.kind) {
    case "set":
      okOf(await answerTo(addr, set(key, action.value)));
      return action;
    case "get": {
      const value = okOf(await answerTo(addr, get(key)));
      return { kind: "get", value: value === null ? undefined : String(value) };
    }
    case "remove": {
      const answer = await answerTo(addr, remove(key));
      const found = !("err" in answer && answer.err === KEY_NOT_FOUND);
      if (found) okOf(answer);
      return { kind: "remove", found };
    }
  }
}

async function answerTo(addr: string, request: unknown): Promise<Answer> {
  const line = await oneShot(addr, request);
  if (line.endsWith("\n")) return decodeAnswer(line);
  throw new ConnectionError(`Connection to ${addr} ended in "${line}"`);
}

function okOf(answer: Answer): unknown {
  if ("err" in answer) throw new KvsError(answer.err);
  return answer.ok;
}
