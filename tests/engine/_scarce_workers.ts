/**
 * Starts Workers with more and more descriptors left, and prints what came of
 * each.
 *
 * @module
 */

import { startWorker } from "../../engine/start_worker.ts";

const ENTRY = "data:text/javascript,postMessage('started')";
const outcomes: string[] = [];

// Upward: Workers give theirs back some time after they were terminated.
for (let free = 0; free < 24; free++) {
  const held = takeAll();
  for (const file of held.splice(0, free)) file.close();
  outcomes.push(await outcome());
  for (const file of held) file.close();
}
console.log(JSON.stringify(outcomes));
// Without waiting for Workers that were terminated to be gone.
Deno.exit(0);

/** Opens files until there are no descriptors left. */
function takeAll(): Deno.FsFile[] {
  const held: Deno.FsFile[] = [];
  try {
    for (;;) held.push(Deno.openSync("/dev/null"));
  } catch {
    return held;
  }
}

async function outcome(): Promise<string> {
  let worker: Worker;
  try {
    worker = startWorker(new URL(ENTRY), { name: "scarce" });
  } catch (error) {
    return (error as Error).message;
  }
  const started = await new Promise<string>((resolve) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => {
      event.preventDefault();
      resolve(event.message);
    };
  });
  worker.terminate();
  return started;
}
