/**
 * Taking files out of the system's page cache, without special rights.
 *
 * @module
 */

const O_RDONLY = 0;
const POSIX_FADV_DONTNEED = 4;
const PROT_READ = 1;
const MAP_SHARED = 1;
const PAGE_BYTES = 4096;

/** The page cache of Linux, seen through the C library. */
export class PageCache implements Disposable {
  readonly #library = Deno.dlopen("libc.so.6", {
    open: { parameters: ["buffer", "i32"], result: "i32" },
    close: { parameters: ["i32"], result: "i32" },
    fdatasync: { parameters: ["i32"], result: "i32" },
    posix_fadvise: {
      parameters: ["i32", "i64", "i64", "i32"],
      result: "i32",
    },
    mmap: {
      parameters: ["pointer", "usize", "i32", "i32", "i32", "i64"],
      result: "pointer",
    },
    mincore: { parameters: ["pointer", "usize", "buffer"], result: "i32" },
    munmap: { parameters: ["pointer", "usize"], result: "i32" },
  });

  /**
   * Takes the files of a directory out of the cache: what is dirty is written
   * first, since only clean pages go (`posix_fadvise`, POSIX_FADV_DONTNEED).
   * Pages that a process has mapped stay.
   */
  evict(directory: string): number {
    let residentBytes = 0;
    let totalBytes = 0;
    for (const { path, sizeBytes } of filesIn(directory)) {
      this.#withFile(path, (fd) => {
        this.#library.symbols.fdatasync(fd);
        this.#library.symbols.posix_fadvise(fd, 0n, 0n, POSIX_FADV_DONTNEED);
        residentBytes += this.#residentBytes(fd, sizeBytes);
      });
      totalBytes += sizeBytes;
    }
    return totalBytes === 0 ? 0 : Math.min(1, residentBytes / totalBytes);
  }

  /** Closes the library. */
  [Symbol.dispose](): void {
    this.#library.close();
  }

  #residentBytes(fd: number, sizeBytes: number): number {
    const { mmap, mincore, munmap } = this.#library.symbols;
    const size = BigInt(sizeBytes);
    const map = mmap(null, size, PROT_READ, MAP_SHARED, fd, 0n);
    const pages = new Uint8Array(Math.ceil(sizeBytes / PAGE_BYTES));
    if (mincore(map, size, pages) !== 0) {
      throw new Error("Cannot tell which pages are in the cache");
    }
    munmap(map, size);
    const resident = pages.reduce((sum, page) => sum + (page & 1), 0);
    return resident * PAGE_BYTES;
  }

  #withFile(path: string, use: (fd: number) => void): void {
    const { open, close } = this.#library.symbols;
    const fd = open(new TextEncoder().encode(`${path}\0`), O_RDONLY);
    if (fd < 0) throw new Error(`Cannot open ${path}`);
    try {
      use(fd);
    } finally {
      close(fd);
    }
  }
}

/** The files of a directory and of those in it that hold anything. */
function filesIn(directory: string): { path: string; sizeBytes: number }[] {
  return Array.from(Deno.readDirSync(directory)).flatMap((entry) => {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory) return filesIn(path);
    const sizeBytes = Deno.statSync(path).size;
    return sizeBytes > 0 ? [{ path, sizeBytes }] : [];
  });
}
