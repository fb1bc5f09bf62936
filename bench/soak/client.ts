/**
 * A client that knows what it should find.
 *
 * @module
 */

import { ConnectionError, KvsClient } from "../../client.ts";
import { decodeAnswer, KEY_NOT_FOUND } from "../../protocol/answer.ts";
import { oneShot } from "../../tests/e2e/_tcp.ts";
import { Random } from "../../tests/engine/kvs/_helpers.ts";
import { Model, type Value } from "./model.ts";

/** The number of keys of each client. */
const KEYS = 1_000;

/** The longest value, in characters. */
const MAX_VALUE = 1_500;

/** The most requests that leave together. */
const MAX_GROUP = 16;

/** The longest pause between two groups, in milliseconds. */
const MAX_PAUSE_MS = 30;

/** What all clients have done so far. */
export interface SoakTally {
  /** Requests that were answered. */
  answered: number;
  /** Requests whose connection was lost before the answer. */
  lost: number;
  /** Answers that cannot be right. */
  readonly wrong: string[];
}

/** A request, and what it is about. */
type Operation =
  | { readonly kind: "get"; readonly key: string }
  | { readonly kind: "set"; readonly key: string; readonly value: string }
  | { readonly kind: "remove"; readonly key: string };

/** What became of a request. */
type Outcome =
  | { readonly kind: "get"; readonly value: Value }
  | { readonly kind: "set" }
  | { readonly kind: "remove"; readonly found: boolean };

/**
 * Gets, sets, removes and scans keys that are its alone, on a connection that
 * it keeps or on one for each request, and checks every answer.
 */
export class SoakClient {
  readonly #name: string;
  readonly #random: Random;
  readonly #tally: SoakTally;
  readonly #model = new Model();
  #version = 0;
  #client: KvsClient | undefined;

  constructor(name: string, seed: number, tally: SoakTally) {
    this.#name = name;
    this.#random = new Random(seed);
    this.#tally = tally;
  }

  /** Goes on until it is told to end. */
  async run(addr: () => Promise<string>, isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await this.#round(await addr());
      const pauseMs = this.#random.below(MAX_PAUSE_MS);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    await this.checkAll(await addr());
    this.#hangUp();
  }

  /** Scans all of its keys, and checks what is there and what is not. */
  async checkAll(addr: string): Promise<void> {
    const found = new Map<string, string>();
    try {
      const client = await this.#connected(addr);
      const range = {
        prefix: this.#prefix,
        reverse: this.#random.below(2) > 0,
      };
      for await (const [key, value] of client.scan(range)) {
        if (found.has(key)) this.#wrong(`"${key}" came twice in a scan`);
        found.set(key, value);
      }
    } catch (error) {
      return this.#failed(error);
    }
    this.#tally.answered++;
    for (const key of [...this.#model.keys(), ...found.keys()]) {
      this.#check(this.#model.found(key, found.get(key)));
    }
  }

  get #prefix(): string {
    return `${this.#name}/`;
  }

  async #round(addr: string): Promise<void> {
    const dice = this.#random.below(100);
    if (dice < 3) return await this.checkAll(addr);
    if (dice < 30) return await this.#oneShot(addr, this.#operation());
    if (dice < 33) this.#hangUp();
    const count = 1 + this.#random.below(MAX_GROUP);
    await this.#group(
      addr,
      Array.from({ length: count }, () => this.#operation()),
    );
  }

  #operation(): Operation {
    const key = `${this.#prefix}${this.#random.below(KEYS)}`;
    const dice = this.#random.below(100);
    if (dice < 50) return { kind: "get", key };
    if (dice < 62) return { kind: "remove", key };
    const filler = "v".repeat(this.#random.below(MAX_VALUE));
    return { kind: "set", key, value: `${key} ${this.#version++} ${filler}` };
  }

  /** Sends requests together, and checks their answers in order. */
  async #group(addr: string, operations: readonly Operation[]): Promise<void> {
    let client: KvsClient;
    try {
      client = await this.#connected(addr);
    } catch (error) {
      return this.#failed(error);
    }
    const outcomes = await Promise.allSettled(
      operations.map((operation) => perform(client, operation)),
    );
    outcomes.forEach((outcome, i) => {
      if (outcome.status === "fulfilled") {
        this.#answered(operations[i], outcome.value);
      } else {
        this.#unanswered(operations[i]);
        this.#failed(outcome.reason);
      }
    });
  }

  async #oneShot(addr: string, operation: Operation): Promise<void> {
    let answer = "";
    try {
      answer = await oneShot(addr, requestOf(operation));
    } catch {
      // Reset, or refused: there is no server at the moment.
    }
    if (!answer.endsWith("\n")) {
      this.#tally.lost++;
      return this.#unanswered(operation);
    }
    const outcome = outcomeOf(operation, answer);
    if (outcome !== undefined) return this.#answered(operation, outcome);
    this.#wrong(`${operation.kind} of "${operation.key}": ${answer.trim()}`);
  }

  #answered(operation: Operation, outcome: Outcome): void {
    this.#tally.answered++;
    const { key } = operation;
    const model = this.#model;
    if (outcome.kind === "get") {
      this.#check(model.found(key, outcome.value));
    } else if (operation.kind === "set") {
      model.wrote(key, operation.value);
    } else if (outcome.kind === "remove") {
      if (!model.mayBeThere(key, outcome.found)) {
        this.#wrong(
          `Removal of "${key}" says that it was ${
            outcome.found ? "" : "not "
          }there`,
        );
      }
      model.wrote(key, undefined);
    }
  }

  #unanswered(operation: Operation): void {
    if (operation.kind === "get") return;
    const value = operation.kind === "set" ? operation.value : undefined;
    this.#model.mayHaveWritten(operation.key, value);
  }

  /** Takes note of an error: that a connection was lost is none. */
  #failed(error: unknown): void {
    if (!(error instanceof ConnectionError)) return this.#wrong(`${error}`);
    this.#tally.lost++;
    this.#hangUp();
  }

  #check(wrong: string | undefined): void {
    if (wrong !== undefined) this.#wrong(wrong);
  }

  #wrong(what: string): void {
    this.#tally.wrong.push(`${new Date().toISOString()} ${what}`);
  }

  async #connected(addr: string): Promise<KvsClient> {
    return this.#client ??= await KvsClient.connect(addr);
  }

  #hangUp(): void {
    this.#client?.close();
    this.#client = undefined;
  }
}

async function perform(
  client: KvsClient,
  operation: Operation,
): Promise<Outcome> {
  switch (operation.kind) {
    case "get":
      return { kind: "get", value: await client.get(operation.key) };
    case "set":
      await client.set(operation.key, operation.value);
      return { kind: "set" };
    case "remove":
      return { kind: "remove", found: await client.remove(operation.key) };
  }
}

function requestOf(operation: Operation): unknown {
  const { key } = operation;
  switch (operation.kind) {
    case "get":
      return { Get: { key } };
    case "set":
      return { Set: { key, value: operation.value } };
    case "remove":
      return { Remove: { key } };
  }
}

/** What a line answers, or `undefined` if that is no answer to the request. */
function outcomeOf({ kind }: Operation, line: string): Outcome | undefined {
  const answer = decodeAnswer(line);
  if ("err" in answer) {
    return kind === "remove" && answer.err === KEY_NOT_FOUND
      ? { kind, found: false }
      : undefined;
  }
  const { ok } = answer;
  if (kind === "get") {
    if (ok === null) return { kind, value: undefined };
    return typeof ok === "string" ? { kind, value: ok } : undefined;
  }
  if (ok !== null) return undefined;
  return kind === "set" ? { kind } : { kind, found: true };
}
