/**
 * What the protocol costs: sixteen requests decoded, run and answered as one
 * batch. The store answers without looking anything up, so the figures are the
 * protocol's own; divide by sixteen for one request.
 *
 * @module
 */

import type { MaybePromise, Write, WriteOutcome } from "../engine/engine.ts";
import { Monitor, shareMonitor } from "../monitor/monitor.ts";
import { AnswerBuffer } from "../protocol/json/answer_buffer.ts";
import { Executor } from "../net/executor.ts";
import { RequestBuffer } from "../protocol/json/request_buffer.ts";
import {
  decodeGeneral,
  decodeRequest,
} from "../protocol/json/request_decoder.ts";
import { MemoryEngine } from "../tests/_memory_engine.ts";

const DEPTH = 16;
const VALUE = "v".repeat(100);

class InstantEngine extends MemoryEngine {
  readonly #value = new TextEncoder().encode(VALUE);
  readonly #outcomes: WriteOutcome[] = [];

  override getBytes(): MaybePromise<Uint8Array | undefined> {
    return this.#value;
  }

  override write(
    batch: readonly Write[],
  ): MaybePromise<readonly WriteOutcome[]> {
    this.#outcomes.length = batch.length;
    return this.#outcomes.fill(true);
  }

  override sync(): MaybePromise<void> {}
}

function key(i: number): string {
  return `key-${String(i).padStart(7, "0")}`;
}

function lines(line: (i: number) => string): Uint8Array {
  const text = Array.from({ length: DEPTH }, (_, i) => `${line(i)}\n`).join("");
  return new TextEncoder().encode(text);
}

const BATCHES = {
  Get: lines((i) => `{"Get":{"key":"${key(i)}"}}`),
  Set: lines((i) => `{"Set":{"key":"${key(i)}","value":"${VALUE}"}}`),
  // As Python's encoder spells it.
  "Set with blanks": lines((i) =>
    `{"Set": {"key": "${key(i)}", "value": "${VALUE}"}}`
  ),
  // As values that are JSON or lines of text are spelled.
  "Set with an escape": lines((i) =>
    `{"Set":{"key":"${key(i)}","value":"${VALUE}\\n"}}`
  ),
};

for (const [name, input] of Object.entries(BATCHES)) {
  const engine = new InstantEngine();
  const requests = new RequestBuffer();
  const answers = new AnswerBuffer();
  const monitor = new Monitor(shareMonitor("reuse-port", 1), 0);
  const executor = new Executor(engine, monitor);
  Deno.bench(`Executor runs ${DEPTH} × ${name}`, { group: "executor" }, () => {
    requests.space().set(input);
    requests.commit(input.length);
    executor.run(requests, answers);
    answers.clear();
  });
}

const SET = BATCHES.Set.subarray(0, BATCHES.Set.length / DEPTH - 1);

Deno.bench("decodeRequest() decodes a Set", { group: "decode" }, () => {
  decodeRequest(SET, 0, SET.length);
});

Deno.bench("decodeGeneral() decodes the same", { group: "decode" }, () => {
  decodeGeneral(SET);
});
