/**
 * Workers that die while a file is there.
 *
 * @module
 */

// Their deaths are reported by the runtime, and ought to be one line each.
Error.stackTraceLimit = 0;

/** How often to look for the file, in milliseconds. */
const LOOK_INTERVAL_MS = 20;

/** Which entry module stands in for which. */
const STAND_INS: Readonly<Record<string, string>> = {
  "reuse_port_worker.ts": "_mortal_listener.ts",
  "job_worker.ts": "_mortal_job_worker.ts",
};

/** Has the Workers of pools that this thread starts die while a file is there. */
export function startMortalWorkers(path: string): void {
  globalThis.Worker = class extends Worker {
    constructor(specifier: string | URL, options?: WorkerOptions) {
      const name = new URL(specifier).pathname.split("/").at(-1)!;
      const standIn = STAND_INS[name];
      super(
        standIn === undefined ? specifier : new URL(
          `./${standIn}?${encodeURIComponent(path)}`,
          import.meta.url,
        ),
        options,
      );
    }
  };
}

/** Has this Worker die while the file is there that its entry's URL names. */
export function dieOnDemand(entry: string): void {
  const path = decodeURIComponent(new URL(entry).search.slice(1));
  setInterval(() => {
    if (exists(path)) throw new Error("Died on demand");
  }, LOOK_INTERVAL_MS);
}

/** Whether a file is there; takes no descriptor. */
export function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
