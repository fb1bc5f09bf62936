/**
 * Which file descriptors this process has open, and how many it may have.
 *
 * @module
 */

import { Libc } from "./native/libc.ts";

const O_CLOEXEC = 0o2000000;

/** Room for some entries of a directory. */
const ENTRIES_BYTES = 32 * 1024;

const RLIMIT_NOFILE = 7;

/** The file descriptors of a process. */
export interface DescriptorUse {
  /** How many it may have open. */
  readonly limit: number;
  /** How many it has open. */
  readonly open: number;
}

/**
 * Reads how many file descriptors this process has and may have.
 *
 * @returns Both; `undefined` on another system than Linux with glibc, and
 * without the permission `ffi`, which is not asked for.
 */
export function readDescriptorUse(): DescriptorUse | undefined {
  const libc = Libc.open();
  if (libc === undefined) return undefined;
  try {
    const limits = new BigUint64Array(2);
    const bytes = new Uint8Array(limits.buffer);
    if (libc.calls.getrlimit(RLIMIT_NOFILE, bytes) !== 0) return undefined;
    return {
      limit: Number(limits[0]),
      open: openDescriptors(libc.calls).length,
    };
  } finally {
    libc.close();
  }
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
