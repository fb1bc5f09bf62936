/**
 * Starts Workers with few descriptors left, and prints what came of each as
 * JSON: a number of them at once, or with no arguments one after another, with
 * more and more descriptors left.
 *
 * @module
 */

import { startWorker } from "../../engine/start_worker.ts";

const ENTRY = "data:text/javascript,postMessage('started')";

const [count, free] = Deno.args.map(Number);
const outcomes = await (count === undefined ? rising() : together());
console.log(JSON.stringify(outcomes));
// Without waiting for Workers that were terminated to be gone.
Deno.exit(0);

async function rising(): Promise<string[]> {
  const outcomes: string[] = [];
  // Upward: Workers give theirs back some time after they were terminated.
  for (let free = 0; free < 24; free++) {
    const held = leave(free);
    outcomes.push(await outcome());
    for (const file of held) file.close();
  }
  return outcomes;
}

function together(): Promise<string[]> {
  leave(free);
  return Promise.all(Array.from({ length: count }, outcome));
}

/** Opens files until there are so many descriptors left. */
function leave(free: number): Deno.FsFile[] {
  const held: Deno.FsFile[] = [];
  try {
    for (;;) held.push(Deno.openSync("/dev/null"));
  } catch {
    for (const file of held.splice(0, free)) file.close();
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
