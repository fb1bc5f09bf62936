/**
 * File systems that are made for a test, where that is permitted.
 *
 * @module
 */

/** A small file system that ends with the block that made it. */
export class SmallDisk implements Disposable {
  /** Where it is. */
  readonly path = Deno.makeTempDirSync({ prefix: "kvs_disk_" });
  /** A data directory on it, not made yet. */
  readonly directory = `${this.path}/data`;
  readonly #ballast = `${this.path}/ballast`;

  /** @param sizeBytes How much it holds. */
  constructor(sizeBytes: number) {
    try {
      mount("-t", "tmpfs", "-o", `size=${sizeBytes}`, "tmpfs", this.path);
    } catch (error) {
      Deno.removeSync(this.path);
      throw error;
    }
  }

  /** Fills the disk but for some bytes, with something that can go again. */
  fillUp(leavingBytes: number): void {
    using file = Deno.openSync(this.#ballast, { create: true, append: true });
    const piece = new Uint8Array(4_096);
    try {
      for (;;) file.writeSync(piece);
    } catch {
      // It is full.
    }
    const { size } = file.statSync();
    file.truncateSync(Math.max(0, size - leavingBytes));
  }

  /** Lets all the space go that {@linkcode fillUp} took. */
  empty(): void {
    Deno.removeSync(this.#ballast);
  }

  /** Makes it one that nobody can write to. */
  makeReadOnly(): void {
    mount("-o", "remount,ro", this.path);
  }

  [Symbol.dispose](): void {
    // Not now, if a test that failed has left files open there.
    run("umount", "--lazy", this.path);
    Deno.removeSync(this.path);
  }
}

function mount(...args: string[]): void {
  run("mount", ...args);
}

function run(command: string, ...args: string[]): void {
  const { success, stderr } = new Deno.Command(command, { args }).outputSync();
  if (!success) throw new Error(new TextDecoder().decode(stderr).trim());
}

/** Why there can be no small disk here; `undefined` where there can. */
function whyNoDisk(): string | undefined {
  if (Deno.build.os !== "linux") return "needs a tmpfs, as Linux has it";
  try {
    new SmallDisk(2 ** 20)[Symbol.dispose]();
  } catch (error) {
    return `mounting a tmpfs is not permitted: ${(error as Error).message}`;
  }
}

const reason = whyNoDisk();
if (reason !== undefined) {
  console.log(`Tests of a full or read-only disk skipped: ${reason}`);
}

/**
 * Runs a test with a small disk, or skips it where there can be none.
 *
 * @param name The test's name.
 * @param sizeBytes How much the disk holds.
 * @param body The test.
 */
export function testOnSmallDisk(
  name: string,
  sizeBytes: number,
  body: (disk: SmallDisk) => Promise<void>,
): void {
  Deno.test({
    name,
    ignore: reason !== undefined,
    async fn() {
      using disk = new SmallDisk(sizeBytes);
      await body(disk);
    },
  });
}
