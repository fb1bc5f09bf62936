/**
 * File descriptors: those of the process, and those that a Worker has opened
 * by system calls of its own.
 *
 * @module
 */

import { Libc } from "./libc.ts";

const O_CLOEXEC = 0o2000000;
const RLIMIT_NOFILE = 7;

/** Room for some entries of a directory. */
const ENTRIES_BYTES = 32 * 1024;

/** More descriptors than a process can have in practice. */
const MAX_DESCRIPTORS = 2 ** 24;

/** The file descriptors of a process. */
export interface DescriptorUse {
  /** How many it may have open. */
  readonly limit: number;
  /** How many it has open. */
  readonly open: number;
}

/** Counts the process's file descriptors; `undefined` without the C library. */
export function readDescriptorUse(): DescriptorUse | undefined {
  return Libc.use((libc) => {
    const limits = new BigUint64Array(2);
    const bytes = new Uint8Array(limits.buffer);
    if (libc.calls.getrlimit(RLIMIT_NOFILE, bytes) !== 0) return undefined;
    return {
      limit: Number(limits[0]),
      open: openDescriptors(libc.calls).length,
    };
  });
}

/** The open file descriptors of this process. */
export function openDescriptors(libc: Libc["calls"]): number[] {
  const found: number[] = [];
  const path = new TextEncoder().encode("/proc/self/fd\0");
  const directory = libc.open(path, O_CLOEXEC);
  if (directory < 0) return found;
  const entries = new Uint8Array(ENTRIES_BYTES);
  const view = new DataView(entries.buffer);
  for (;;) {
    const length = Number(
      libc.getdents64(directory, entries, BigInt(ENTRIES_BYTES)),
    );
    if (length <= 0) break;
    // struct linux_dirent64: two words of 64 bits, the entry's length in 16
    // bits, a type in 8, and the name up to a zero.
    for (let at = 0; at < length; at += view.getUint16(at + 16, true)) {
      const name = entries.subarray(at + 19, entries.indexOf(0, at + 19));
      const fd = Number(String.fromCharCode(...name));
      // Not "." and "..".
      if (Number.isInteger(fd)) found.push(fd);
    }
  }
  libc.close(directory);
  return found;
}

/**
 * A bit in shared memory for each descriptor that a Worker has opened by system
 * calls of its own. The runtime does not know of them: if the Worker dies, they
 * stay open and their clients wait forever, unless another thread closes them.
 */
export class Descriptors {
  /** Committed as it is used. */
  readonly words: Int32Array<SharedArrayBuffer>;

  /** Attaches to a Worker's words, or makes new ones. */
  constructor(
    words: Int32Array<SharedArrayBuffer> = new Int32Array(
      new SharedArrayBuffer(MAX_DESCRIPTORS / 8),
    ),
  ) {
    this.words = words;
  }

  /** Adds a descriptor that was opened. */
  add(fd: number): void {
    Atomics.or(this.words, fd >>> 5, 1 << (fd & 31));
  }

  /** Deletes a descriptor that is about to be closed. */
  delete(fd: number): void {
    Atomics.and(this.words, fd >>> 5, ~(1 << (fd & 31)));
  }

  /** Closes what a dead Worker has left open. */
  closeAll(): void {
    Libc.use(({ calls }) => {
      this.words.forEach((word, i) => {
        for (let bit = 0; word !== 0 && bit < 32; bit++) {
          if ((word & (1 << bit)) !== 0) calls.close(i * 32 + bit);
        }
        if (word !== 0) this.words[i] = 0;
      });
    });
  }
}
