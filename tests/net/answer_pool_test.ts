import { assert, assertEquals } from "@std/assert";
import { AnswerPool } from "../../net/answer_pool.ts";

const MAX_KEPT_BYTES = 4 * 1024 * 1024;

Deno.test("AnswerPool lends a buffer again once it is given back, empty", () => {
  const spare = new AnswerPool();
  const first = spare.take();
  first.err("too bad");
  assert(spare.take() !== first);
  spare.give(first);
  assertEquals(spare.keptBytes, first.heldBytes);
  const again = spare.take();
  assert(again === first);
  assertEquals([again.length, again.errors, spare.keptBytes], [0, 0, 0]);
});

Deno.test("AnswerPool makes buffers that are full where it was told", () => {
  const answers = new AnswerPool(20).take();
  answers.ok();
  assert(!answers.isFull);
  answers.ok();
  assert(answers.isFull);
});

Deno.test("AnswerPool keeps enough for many small answers", () => {
  const spare = new AnswerPool();
  const taken = Array.from({ length: 1_000 }, () => spare.take());
  for (const answers of taken) {
    answers.ok();
    spare.give(answers);
  }
  const kept = new Set(taken);
  for (const _ of taken) assert(kept.delete(spare.take()));
});

Deno.test("AnswerPool does not keep for ever what many large answers took", () => {
  const spare = new AnswerPool();
  const value = new Uint8Array(500_000).fill(0x61);
  const taken = Array.from({ length: 30 }, () => spare.take());
  for (const answers of taken) {
    answers.value(value);
    spare.give(answers);
  }
  assert(spare.keptBytes >= value.length, `${spare.keptBytes}`);
  assert(spare.keptBytes <= MAX_KEPT_BYTES, `${spare.keptBytes}`);
});
