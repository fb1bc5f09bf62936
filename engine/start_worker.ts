/**
 * Starting Workers where file descriptors may be scarce.
 *
 * @module
 */

/**
 * What a Worker takes until its entry module is loaded: 7, measured. The
 * runtime aborts the process where it gets fewer than 6.
 */
const WORKER_DESCRIPTORS = 8;
/** Room for what other threads open meanwhile. */
const SPARE_DESCRIPTORS = 8;

/** After so many milliseconds a Worker has what it takes, or never will. */
const START_TIMEOUT_MS = 10_000;

/** Any file will do; this one is there on every Unix. */
const ANY_FILE = "/dev/null";

/** Workers of this thread that may not have theirs yet, and since when. */
const starting = new Map<Worker, number>();

/** Options of {@linkcode startWorker}. */
export interface WorkerOptions {
  /** Its name, for a debugger. */
  readonly name: string;
  /**
   * A file or directory that may be read, to count descriptors with where
   * `/dev/null` may not.
   *
   * @default none; then it is started without a look
   */
  readonly readable?: string;
}

/**
 * Starts a Worker, unless descriptors are too scarce for it: an error is better
 * than the end of the process.
 *
 * @param url Its entry module.
 * @param options See {@linkcode WorkerOptions}.
 * @throws {Error} If there are too few free descriptors.
 */
export function startWorker(
  url: URL,
  { name, readable }: WorkerOptions,
): Worker {
  const nowMs = performance.now();
  for (const [worker, sinceMs] of starting) {
    if (nowMs - sinceMs > START_TIMEOUT_MS) starting.delete(worker);
  }
  const count = (starting.size + 1) * WORKER_DESCRIPTORS + SPARE_DESCRIPTORS;
  checkDescriptors(count, "start a Worker", readable);
  const worker = new Worker(url, { type: "module", name });
  starting.set(worker, nowMs);
  const onStarted = () => void starting.delete(worker);
  worker.addEventListener("message", onStarted, { once: true });
  worker.addEventListener("error", onStarted, { once: true });
  return worker;
}

/**
 * Checks that this process can open some more files.
 *
 * @param count How many, beside what a Worker takes that is started meanwhile.
 * @param readable See {@linkcode WorkerOptions.readable}.
 * @throws {Error} If it can't.
 */
export function checkRoomForFiles(count: number, readable?: string): void {
  checkDescriptors(
    count + WORKER_DESCRIPTORS + SPARE_DESCRIPTORS,
    `open ${count} files`,
    readable,
  );
}

function checkDescriptors(
  count: number,
  what: string,
  readable: string | undefined,
): void {
  const path = [ANY_FILE, readable].find(mayRead);
  if (path === undefined) return;
  const held: Deno.FsFile[] = [];
  try {
    // There is no way to ask that needs no further permission.
    while (held.length < count) held.push(Deno.openSync(path));
  } catch (error) {
    if (!isOutOfDescriptors(error)) return;
    throw new Error(
      `Cannot ${what}: only ${held.length} file descriptors are free, ${count} are needed (see "ulimit -n")`,
    );
  } finally {
    for (const file of held) file.close();
  }
}

function mayRead(path: string | undefined): boolean {
  if (path === undefined || Deno.build.os === "windows") return false;
  // Opening it would ask for a permission.
  return Deno.permissions.querySync({ name: "read", path }).state === "granted";
}

function isOutOfDescriptors(error: unknown): boolean {
  return error instanceof Error && "code" in error &&
    (error.code === "EMFILE" || error.code === "ENFILE");
}
