/**
 * Failing disks, crashes and power failures, for tests in this thread.
 *
 * @module
 */

import { MEMORY, TempDirectory } from "./_helpers.ts";

/** A call of a function that changes or syncs files, or opens one. */
export interface FileStep {
  /** Which call it is, from 1. */
  readonly number: number;
  /** The function, such as `openSync`, or `writeSync` of a file. */
  readonly call: FileCall;
  /** The file's path at the time of the call. */
  readonly path: string;
}

/** The functions that count as steps. */
export type FileCall =
  | "openSync"
  | "removeSync"
  | "renameSync"
  | "truncateSync"
  | "mkdirSync"
  | FileMethod;

type FileMethod =
  | "writeSync"
  | "file.truncateSync"
  | "syncSync"
  | "syncDataSync"
  | "syncData";

/**
 * What is left of a directory:
 *
 * - `killed`: all of it, as after `kill -9`;
 * - `power`: after a power failure, what was synced and no more;
 * - `names`: after a power failure, the names as they were at the last moment,
 *   but only such content as was synced. File systems may write the names
 *   first.
 */
export type CrashKind = "killed" | "power" | "names";

export const CRASH_KINDS: readonly CrashKind[] = ["killed", "power", "names"];

/** A file's content that a power failure leaves; its name may change. */
interface Inode {
  durable: Uint8Array;
}

/** The error of an injected fault. */
export class InjectedFault extends Error {
  override name = "InjectedFault";
}

/**
 * Watches, while it exists, all that this thread does to the files of a
 * directory, and makes some of it fail. One at a time; files that were open
 * before it came are not watched. It notes what is synced and spares the
 * machine's disk the work.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 *
 * const directory = Deno.makeTempDirSync();
 * using disk = new FaultyDisk(directory);
 * disk.failAll("openSync");
 * const open = () => Deno.openSync(`${directory}/file`, { create: true });
 * assertThrows(open, InjectedFault);
 * ```
 */
export class FaultyDisk implements Disposable {
  /** Called before each step; the step fails with what it throws. */
  onStep: (step: FileStep) => void = () => {};
  /** Whether a write that fails has written the first half of its bytes. */
  halfWrites = false;
  readonly #directory: string;
  readonly #restore: (() => void)[] = [];
  readonly #current = new Map<string, Inode>();
  #durable = new Map<string, Inode>();
  readonly #opened = new WeakMap<Deno.FsFile, string | Inode>();
  #steps = 0;
  #changes = 0;

  /** @param directory What it is about, with all that is in it. */
  constructor(directory: string) {
    this.#directory = directory;
    this.#addExisting(directory);
    this.#durable = new Map(this.#current);
    this.#tapFunctions();
    this.#tapMethods();
  }

  /** The number of steps so far. */
  get steps(): number {
    return this.#steps;
  }

  /** How often something was changed or synced so far. */
  get changes(): number {
    return this.#changes;
  }

  /** Makes one step fail: the one with this number. */
  failAt(number: number): void {
    this.onStep = (step) => {
      if (step.number === number) throw new InjectedFault(describe(step));
    };
  }

  /** Makes every call of a function fail from now on. */
  failAll(...calls: FileCall[]): void {
    this.onStep = (step) => {
      if (calls.includes(step.call)) throw new InjectedFault(describe(step));
    };
  }

  /** Lets everything succeed again. */
  heal(): void {
    this.onStep = () => {};
  }

  /** Copies what a crash at this moment would leave. */
  copy(kind: CrashKind, to: string): void {
    Deno.mkdirSync(to, { recursive: true });
    const files = kind === "power" ? this.#durable : this.#current;
    for (const [path, inode] of files) {
      const target = to + path.slice(this.#directory.length);
      const parent = target.slice(0, target.lastIndexOf("/"));
      Deno.mkdirSync(parent, { recursive: true });
      if (kind === "killed") Deno.copyFileSync(path, target);
      else Deno.writeFileSync(target, inode.durable);
    }
  }

  [Symbol.dispose](): void {
    for (const restore of this.#restore.splice(0).reverse()) restore();
  }

  #addExisting(directory: string): void {
    for (const { name, isFile, isDirectory } of Deno.readDirSync(directory)) {
      const path = `${directory}/${name}`;
      if (isDirectory) this.#addExisting(path);
      if (isFile) this.#current.set(path, { durable: Deno.readFileSync(path) });
    }
  }

  #newInode(): Inode {
    this.#changes++;
    return { durable: new Uint8Array(0) };
  }

  #isWatched(path: string): boolean {
    return path === this.#directory || path.startsWith(`${this.#directory}/`);
  }

  #step(call: FileCall, path: string): void {
    const step = { number: ++this.#steps, call, path };
    this.onStep(step);
  }

  #tapFunctions(): void {
    const { openSync, removeSync, renameSync, truncateSync, mkdirSync } = Deno;
    this.#restore.push(() => {
      Object.assign(Deno, {
        openSync,
        removeSync,
        renameSync,
        truncateSync,
        mkdirSync,
      });
    });
    // A bound function, so that the others may call this tap's methods.
    const watches = (path: string | URL): path is string =>
      typeof path === "string" && this.#isWatched(path);
    Deno.openSync = (path, options) => {
      if (!watches(path)) return openSync(path, options);
      this.#step("openSync", path);
      const file = openSync(path, options);
      if (Deno.statSync(path).isDirectory) this.#opened.set(file, path);
      else {
        const inode = this.#current.get(path) ?? this.#newInode();
        this.#current.set(path, inode);
        this.#opened.set(file, inode);
      }
      return file;
    };
    Deno.removeSync = (path, options) => {
      if (!watches(path)) return removeSync(path, options);
      this.#step("removeSync", path);
      removeSync(path, options);
      this.#changes++;
      this.#current.delete(path);
    };
    Deno.renameSync = (from, to) => {
      if (!watches(from)) return renameSync(from, to);
      this.#step("renameSync", from);
      renameSync(from, to);
      this.#changes++;
      this.#current.set(String(to), this.#current.get(from)!);
      this.#current.delete(from);
    };
    Deno.truncateSync = (path, length) => {
      if (watches(path)) this.#step("truncateSync", path);
      this.#changes++;
      truncateSync(path, length);
    };
    Deno.mkdirSync = (path, options) => {
      if (watches(path)) this.#step("mkdirSync", path);
      mkdirSync(path, options);
    };
  }

  #tapMethods(): void {
    const file = Deno.FsFile.prototype;
    const { writeSync, truncateSync, syncSync, syncDataSync, syncData } = file;
    this.#restore.push(() => {
      Object.assign(file, {
        writeSync,
        truncateSync,
        syncSync,
        syncDataSync,
        syncData,
      });
    });
    // deno-lint-ignore no-this-alias
    const disk = this;
    file.writeSync = function (bytes) {
      try {
        disk.#methodStep("writeSync", this);
      } catch (error) {
        if (disk.halfWrites) {
          disk.#changes++;
          writeSync.call(this, bytes.subarray(0, bytes.length >>> 1));
        }
        throw error;
      }
      disk.#changes++;
      return writeSync.call(this, bytes);
    };
    file.truncateSync = function (length) {
      disk.#methodStep("file.truncateSync", this);
      disk.#changes++;
      truncateSync.call(this, length);
    };
    file.syncSync = function () {
      if (!disk.#opened.has(this)) return syncSync.call(this);
      disk.#methodStep("syncSync", this);
      disk.#synced(this);
    };
    file.syncDataSync = function () {
      if (!disk.#opened.has(this)) return syncDataSync.call(this);
      disk.#methodStep("syncDataSync", this);
      disk.#synced(this);
    };
    file.syncData = async function () {
      if (!disk.#opened.has(this)) return await syncData.call(this);
      disk.#methodStep("syncData", this);
      // What is written from here on may not be in it.
      const synced = disk.#contentOf(this);
      await new Promise((resolve) => setTimeout(resolve));
      disk.#synced(this, synced);
    };
  }

  #methodStep(call: FileMethod, file: Deno.FsFile): void {
    const opened = this.#opened.get(file);
    if (opened === undefined) return;
    this.#step(
      call,
      typeof opened === "string" ? opened : this.#pathOf(opened) ?? "removed",
    );
  }

  #synced(file: Deno.FsFile, content = this.#contentOf(file)): void {
    const opened = this.#opened.get(file);
    if (opened === undefined) return;
    this.#changes++;
    if (typeof opened !== "string") {
      opened.durable = content ?? opened.durable;
      return;
    }
    const isIn = (path: string) =>
      path.slice(0, path.lastIndexOf("/")) === opened;
    this.#durable = new Map([
      ...[...this.#durable].filter(([path]) => !isIn(path)),
      ...[...this.#current].filter(([path]) => isIn(path)),
    ]);
  }

  #contentOf(file: Deno.FsFile): Uint8Array | undefined {
    const opened = this.#opened.get(file);
    if (opened === undefined || typeof opened === "string") return undefined;
    const path = this.#pathOf(opened);
    return path === undefined ? undefined : Deno.readFileSync(path);
  }

  #pathOf(inode: Inode): string | undefined {
    for (const [path, other] of this.#current) {
      if (other === inode) return path;
    }
  }
}

/** What a crash left, and what was to be expected of it at that moment. */
export interface Crash<T> {
  /** The step before which it happened; `undefined` at the end of the run. */
  readonly step: FileStep | undefined;
  readonly kind: CrashKind;
  /** A copy of the directory. */
  readonly directory: string;
  readonly expected: T;
}

/**
 * Runs something, and checks what would be left of a directory if it were
 * stopped before any one of its steps, and at its end.
 *
 * @param directory The directory.
 * @param kinds The ways to be stopped.
 * @param expect What is to be expected at the moment it is called.
 * @param run What to run.
 * @param check Checks one crash; its copy of the directory is its to change.
 * @param every Of how many crashes one is checked; prime to the number of
 * kinds, so that each kind has its turn.
 * @returns How many crashes were checked.
 */
export async function crashAtEachStep<T>(
  directory: string,
  kinds: readonly CrashKind[],
  expect: () => T,
  run: () => void | Promise<void>,
  check: (crash: Crash<T>) => void | Promise<void>,
  every = 1,
): Promise<number> {
  using copies = new TempDirectory(MEMORY);
  const crashes: Crash<T>[] = [];
  {
    using disk = new FaultyDisk(directory);
    let changes = -1;
    let possible = 0;
    const crash = (step?: FileStep) => {
      // Two crashes with nothing between them leave the same.
      if (step !== undefined && disk.changes === changes) return;
      changes = disk.changes;
      for (const kind of kinds) {
        if (possible++ % every !== 0) continue;
        const copy = `${copies.path}/${crashes.length}`;
        disk.copy(kind, copy);
        crashes.push({ step, kind, directory: copy, expected: expect() });
      }
    };
    disk.onStep = crash;
    await run();
    disk.onStep = () => {};
    crash();
  }
  for (const crash of crashes) {
    try {
      await check(crash);
    } catch (cause) {
      const { step, kind } = crash;
      const when = step === undefined ? "at the end" : `at ${describe(step)}`;
      throw new Error(`After a crash (${kind}) ${when}`, { cause });
    }
  }
  return crashes.length;
}

/** Names a step for a message. */
export function describe({ number, call, path }: FileStep): string {
  return `step ${number}, ${call} ${path.slice(path.lastIndexOf("/") + 1)}`;
}
