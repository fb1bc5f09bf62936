/**
 * Reading a file from end to end.
 *
 * @module
 */

/** How much is read at a time, in bytes. */
export const WINDOW_BYTES = 1 << 20;

/** A file is shorter than it was when the reading began. */
export class FileShrankError extends Error {
  override name = "FileShrankError";
}

/**
 * A view of a file that reads it in large pieces, always into the same memory:
 * fresh memory costs more than the reading.
 */
export class FileWindow {
  readonly #file: Deno.FsFile;
  readonly #sizeBytes: number;
  #buffer: Uint8Array<ArrayBuffer>;
  #start = 0;
  #end = 0;

  /**
   * @param file The file, open for reading.
   * @param sizeBytes Its size in bytes.
   */
  constructor(file: Deno.FsFile, sizeBytes: number) {
    this.#file = file;
    this.#sizeBytes = sizeBytes;
    this.#buffer = new Uint8Array(Math.min(WINDOW_BYTES, sizeBytes));
  }

  /**
   * The bytes at a place of the file.
   *
   * @param offset Where they begin, in bytes.
   * @param length How many.
   * @returns The bytes, valid until the next call; `undefined` where the file
   * ends before.
   * @throws {FileShrankError} If the file is shorter than it was.
   */
  at(offset: number, length: number): Uint8Array | undefined {
    if (offset + length > this.#sizeBytes) return undefined;
    if (offset < this.#start || offset + length > this.#end) {
      this.#load(offset, length);
    }
    const from = offset - this.#start;
    return this.#buffer.subarray(from, from + length);
  }

  #load(offset: number, length: number): void {
    if (length > this.#buffer.length) this.#buffer = new Uint8Array(length);
    const wanted = Math.min(this.#buffer.length, this.#sizeBytes - offset);
    this.#file.seekSync(offset, Deno.SeekMode.Start);
    let read = 0;
    while (read < wanted) {
      const count = this.#file.readSync(this.#buffer.subarray(read, wanted));
      if (count === null) {
        throw new FileShrankError("File became shorter while it was read");
      }
      read += count;
    }
    this.#start = offset;
    this.#end = offset + wanted;
  }
}
