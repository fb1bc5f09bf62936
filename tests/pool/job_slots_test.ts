import { assertEquals } from "@std/assert";
import { JobSlots } from "../../pool/job_slots.ts";

const BATCH = new TextEncoder().encode("a batch");

Deno.test("JobSlots carry a small batch and its answers in one step each", () => {
  const slots = JobSlots.create();
  const worker = JobSlots.attach(slots.buffer);
  const pieces: Uint8Array[] = [];
  const advance = () =>
    slots.advance(255, BATCH, BATCH.length, (piece) => pieces.push(piece));

  const submitted = slots.submitted.current;
  assertEquals(slots.begin(255, BATCH), BATCH.length);
  assertEquals(advance(), BATCH.length);
  let room = new Uint8Array();
  assertEquals(
    worker.take(255, (bytes) => room = new Uint8Array(bytes)),
    BATCH.length,
  );
  assertEquals(room, BATCH);
  assertEquals(advance(), BATCH.length);

  const progressed = slots.progressed.current;
  const answers = new TextEncoder().encode("the answers");
  worker.finish(255, { answers, consumedBytes: 5, isBroken: true });
  assertEquals(slots.progressed.current, progressed + 1);
  assertEquals(advance(), { consumedBytes: 5, isBroken: true });
  assertEquals(pieces, [answers]);
  // It is free now, and who put it there announces a job.
  assertEquals(advance(), BATCH.length);
  assertEquals(slots.submitted.current, submitted);
});

Deno.test("JobSlots carry a batch without answers", () => {
  const slots = JobSlots.create();
  slots.begin(0, BATCH);
  slots.take(0, (bytes) => new Uint8Array(bytes));
  const answers = new Uint8Array();
  slots.finish(0, { answers, consumedBytes: 7, isBroken: false });
  const pieces: Uint8Array[] = [];
  assertEquals(
    slots.advance(0, BATCH, 7, (piece) => pieces.push(piece)),
    { consumedBytes: 7, isBroken: false },
  );
  assertEquals(pieces, [answers]);
});

Deno.test("JobSlots.ownerOf() knows who has a job", () => {
  const slots = JobSlots.create();
  slots.begin(3, BATCH);
  assertEquals(slots.ownerOf(3), -1);
  JobSlots.attach(slots.buffer).assign(3, 0);
  assertEquals([slots.ownerOf(3), slots.ownerOf(2)], [0, -1]);
  slots.abandon(3);
  // The next job there is nobody's yet.
  slots.begin(3, BATCH);
  assertEquals(slots.ownerOf(3), -1);
});

Deno.test("JobSlots.stop() wakes those who wait for jobs", () => {
  const slots = JobSlots.create();
  const worker = JobSlots.attach(slots.buffer);
  assertEquals(worker.isStopping, false);
  const count = worker.submitted.current;
  slots.stop();
  assertEquals(worker.isStopping, true);
  worker.submitted.sleep(count, Infinity);
});
