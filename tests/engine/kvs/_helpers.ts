import type { KvStoreOptions } from "../../../engine/kvs/store/handle.ts";
import { KvStore } from "../../../engine/kvs/store/store.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The UTF-8 bytes of a text. */
export function bytes(text: string): Uint8Array {
  return encoder.encode(text);
}

/** The text of UTF-8 bytes. */
export function text(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** Bytes as a string of one character each, usable as a Map's key. */
export function latin1(bytes: Uint8Array): string {
  let result = "";
  for (const byte of bytes) result += String.fromCharCode(byte);
  return result;
}

/**
 * Where files are kept in memory, if the system has such a place: for tests
 * that make thousands of them and ask nothing of a disk.
 */
export const MEMORY = isDirectory("/dev/shm") ? "/dev/shm" : undefined;

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/** A directory that goes when the block that made it ends. */
export class TempDirectory implements Disposable {
  readonly path: string;

  /** @param parent Where to make it; by default where temporary files go. */
  constructor(parent?: string) {
    this.path = Deno.realPathSync(
      Deno.makeTempDirSync({ dir: parent, prefix: "kvs_" }),
    );
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** Opens a store with a small index and cache, and no compaction by itself. */
export function openStore(
  directory: string,
  options: KvStoreOptions = {},
): KvStore {
  return KvStore.open(directory, {
    indexBytes: 2 ** 20,
    cacheBytes: 2 ** 16,
    compactAtBytes: Infinity,
    onDamage: (damage) => {
      throw new Error(`Unexpected damage: ${JSON.stringify(damage)}`);
    },
    ...options,
  });
}

/** The names of a directory's files that end so, in order of their numbers. */
export function filesOf(directory: string, extension: string): string[] {
  return [...Deno.readDirSync(directory)]
    .map(({ name }) => name)
    .filter((name) => name.endsWith(extension))
    .sort((a, b) => parseInt(a) - parseInt(b));
}

/** Copies the files of a directory, one level deep. */
export function copyDirectory(from: string, to: string): void {
  Deno.mkdirSync(to, { recursive: true });
  for (const { name, isFile } of Deno.readDirSync(from)) {
    if (isFile) Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
  }
}

/** A generator of pseudo-random numbers that a seed repeats (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    this.#state = this.#state + 0x6d2b79f5 | 0;
    let mixed = Math.imul(this.#state ^ this.#state >>> 15, this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
    return ((mixed ^ mixed >>> 14) >>> 0) % limit;
  }
}

/**
 * A Worker that fails when it is told something, without a thread: the runtime
 * prints the error of one that has a thread.
 *
 * @param message What its error event says.
 * @param isFailing Asked at each message; those before are answered `loaded`.
 */
export function failingWorker(
  message: string,
  isFailing = () => true,
): typeof Worker {
  return class extends EventTarget {
    onmessage: ((event: MessageEvent) => void) | null = null;
    onerror: ((event: ErrorEvent) => void) | null = null;

    postMessage(): void {
      const fails = isFailing();
      setTimeout(() => {
        if (fails) this.onerror?.(new ErrorEvent("error", { message }));
        else {
          const data = { kind: "loaded" };
          this.onmessage?.(new MessageEvent("message", { data }));
        }
      });
    }

    terminate(): void {}
  } as unknown as typeof Worker;
}

/** A Worker of a test, which answers each task with one message. */
export class TestWorker implements Disposable {
  readonly #worker: Worker;

  /** @param name The module beside this one, such as `_mutex_worker.ts`. */
  constructor(name: string) {
    this.#worker = new Worker(new URL(name, import.meta.url), {
      type: "module",
    });
  }

  /** Gives the Worker a task and waits for its answer. */
  run<T>(task: unknown): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#worker.onmessage = ({ data }) => resolve(data);
      this.#worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message));
      };
      this.#worker.postMessage(task);
    });
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}
