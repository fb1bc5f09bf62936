/**
 * A Worker whose answer to a batch is the batch.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import { JobSlots } from "../../pool/job_slots.ts";

let slots: JobSlots;

self.onmessage = ({ data }: MessageEvent<SharedArrayBuffer | number>) => {
  if (typeof data !== "number") {
    slots = JobSlots.attach(data);
    return;
  }
  let batch = new Uint8Array();
  slots.assign(data, 0);
  const batchBytes = slots.take(
    data,
    (bytes) => batch = new Uint8Array(bytes),
  );
  slots.finish(data, {
    answers: batch,
    consumedBytes: batchBytes,
    isBroken: batch[0] === 1,
  });
};
