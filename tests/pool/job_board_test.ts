import { assert, assertEquals } from "@std/assert";
import { JobBoard } from "../../pool/job_board.ts";
import { SLOTS } from "../../pool/job_slots.ts";
import { AnswerBuffer } from "../../protocol/json/answer_buffer.ts";

const NO_BYTES = new Uint8Array();

/** A board whose jobs stay until a test finishes them. */
class Desk implements Disposable {
  readonly queued: number[] = [];
  readonly board: JobBoard;
  // A wait in shared memory alone does not keep the event loop.
  readonly #timer = setInterval(() => {}, 1_000);

  constructor(atOnce: number) {
    this.board = new JobBoard(atOnce, (slot) => this.queued.push(slot));
  }

  finish(slot: number, answer: string): void {
    this.board.slots.take(slot, (bytes) => new Uint8Array(bytes));
    this.board.slots.finish(slot, {
      answers: new TextEncoder().encode(answer),
      consumedBytes: 1,
      isBroken: false,
    });
  }

  [Symbol.dispose](): void {
    this.board.close();
    clearInterval(this.#timer);
  }
}

/** Runs a batch, and gives its answers with the result. */
async function run(board: JobBoard, batch: Uint8Array) {
  const answers = new AnswerBuffer();
  const result = await board.run(batch, answers);
  return { answers: answers.bytes(), ...result };
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

Deno.test("JobBoard.run() lets no more on its way than it may, in order", async () => {
  using desk = new Desk(2);
  const { board, queued } = desk;
  const order: number[] = [];
  const jobs = Array.from(
    { length: 6 },
    (_, i) =>
      run(board, Uint8Array.of(i)).then(({ answers }) => {
        order.push(i);
        return text(answers);
      }),
  );
  await null;
  for (let i = 0; i < 6; i++) {
    // Two at first; then one for each that has been answered.
    assertEquals(queued.length, Math.min(i + 2, 6));
    desk.finish(queued[i], `${i}`);
    await jobs[i];
    await null;
  }
  assertEquals(await Promise.all(jobs), ["0", "1", "2", "3", "4", "5"]);
  assertEquals(order, [0, 1, 2, 3, 4, 5]);
  assertEquals(new Set(queued).size, 2);
});

Deno.test("JobBoard has a limit of its own", async () => {
  using desk = new Desk(SLOTS * 2);
  const jobs = Array.from(
    { length: SLOTS + 50 },
    () => run(desk.board, NO_BYTES),
  );
  await null;
  assertEquals(desk.queued.length, SLOTS);
  for (let i = 0; i < jobs.length; i++) {
    while (desk.queued.length <= i) await Promise.race(jobs.slice(0, i));
    desk.finish(desk.queued[i], "done");
  }
  for (const { answers } of await Promise.all(jobs)) {
    assertEquals(text(answers), "done");
  }
});

Deno.test("JobBoard.failJobsOf() answers the jobs of one Worker", async () => {
  using desk = new Desk(3);
  const { board, queued } = desk;
  const jobs = Array.from(
    { length: 3 },
    (_, i) => run(board, Uint8Array.of(i)),
  );
  await null;
  board.slots.assign(queued[0], 7);
  board.slots.assign(queued[1], 8);
  board.failJobsOf(7, 'It "died"');
  const failed = await jobs[0];
  assertEquals(text(failed.answers), '{"Err":"It \\"died\\""}\n');
  assertEquals([failed.consumedBytes, failed.isBroken], [1, true]);
  desk.finish(queued[1], "second");
  desk.finish(queued[2], "third");
  assertEquals(text((await jobs[1]).answers), "second");
  assertEquals(text((await jobs[2]).answers), "third");
  // The slot is in use again, and the dead Worker has nothing to do with it.
  const next = run(board, Uint8Array.of(3));
  await null;
  board.failJobsOf(7, "Again");
  desk.finish(queued[3], "fourth");
  assertEquals(text((await next).answers), "fourth");
});

Deno.test("JobBoard carries batches and answers of any size", async () => {
  const url = new URL("./_echo_job_worker.ts", import.meta.url);
  const worker = new Worker(url, { type: "module" });
  const board = new JobBoard(4, (slot) => worker.postMessage(slot));
  worker.postMessage(board.slots.buffer);
  const KIB = 1024;
  const sizes = [1, 32 * KIB - 1, 32 * KIB, 32 * KIB + 1, 64 * KIB, 5_000_000];
  await Promise.all(sizes.map(async (size) => {
    const batch = Uint8Array.from({ length: size }, (_, i) => i % 251);
    batch[0] = size % 2;
    const { answers, consumedBytes, isBroken } = await run(board, batch);
    assertEquals(consumedBytes, size);
    assertEquals(isBroken, size % 2 === 1);
    assertEquals(answers.length, size);
    assert(answers.every((byte, i) => byte === batch[i]));
  }));
  board.close();
  worker.terminate();
});
