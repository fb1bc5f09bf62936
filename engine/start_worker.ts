/**
 * Starting Workers where file descriptors may be scarce.
 *
 * @module
 */

/**
 * What a Worker takes, with room for what other threads open meanwhile: the
 * runtime takes 7 until the entry module is loaded, and aborts the process
 * where it gets fewer than 6.
 */
const WORKER_DESCRIPTORS = 16;

/** Any file will do; this one is there on every Unix. */
const ANY_FILE = "/dev/null";

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
  checkDescriptors(WORKER_DESCRIPTORS, "start a Worker", readable);
  return new Worker(url, { type: "module", name });
}

/**
 * Checks that this process can open some more files.
 *
 * @param count How many, beside what a Worker takes that is started meanwhile.
 * @param readable See {@linkcode WorkerOptions.readable}.
 * @throws {Error} If it can't.
 */
export function checkRoomForFiles(count: number, readable?: string): void {
  checkDescriptors(count + WORKER_DESCRIPTORS, `open ${count} files`, readable);
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
  // Opening it would ask whoever sits there.
  return Deno.permissions.querySync({ name: "read", path }).state === "granted";
}

function isOutOfDescriptors(error: unknown): boolean {
  return error instanceof Error && "code" in error &&
    (error.code === "EMFILE" || error.code === "ENFILE");
}
