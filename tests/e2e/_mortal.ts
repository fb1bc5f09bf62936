/**
 * Workers that die while the file `die` is in a directory, and whose disk fails
 * while `eio` is.
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

/** Has Workers of pools that this thread starts obey the files in a directory. */
export function startMortalWorkers(root: string): void {
  globalThis.Worker = class extends Worker {
    constructor(specifier: string | URL, options?: WorkerOptions) {
      const name = new URL(specifier).pathname.split("/").at(-1)!;
      const standIn = STAND_INS[name];
      super(
        standIn === undefined ? specifier : new URL(
          `./${standIn}?${encodeURIComponent(root)}`,
          import.meta.url,
        ),
        options,
      );
    }
  };
}

/** Has this Worker obey the files in the directory that its URL names. */
export function obey(entry: string): void {
  const root = decodeURIComponent(new URL(entry).search.slice(1));
  setInterval(() => {
    if (exists(`${root}/die`)) throw new Error("Died on demand");
  }, LOOK_INTERVAL_MS);
  const { syncData, syncDataSync } = Deno.FsFile.prototype;
  const fail = () => {
    if (exists(`${root}/eio`)) throw new Error("Input/output error");
  };
  Deno.FsFile.prototype.syncData = async function () {
    fail();
    await syncData.call(this);
  };
  Deno.FsFile.prototype.syncDataSync = function () {
    fail();
    syncDataSync.call(this);
  };
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
