import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { type OutputStream, writeBytes } from "../../cli/output.ts";

const NEWLINE = 0x0a;
const PIPE_BUF = 4_096;
const LINE_BUFFER_BYTES = 1_024;

/**
 * Standard output as the runtime has it, over a stream that does not block:
 * what is after the last newline is kept until it fits, and an error does not
 * tell what was taken before it.
 */
class LineBuffered implements OutputStream {
  /** What has come out. */
  readonly out: number[] = [];
  #kept: Uint8Array = new Uint8Array(0);
  readonly #isTerminal: boolean;
  readonly #nextRoom: () => number;

  /**
   * @param isTerminal Whether a part of a small write may be taken.
   * @param nextRoom How many bytes the next write finds room for.
   */
  constructor(isTerminal: boolean, nextRoom: () => number) {
    this.#isTerminal = isTerminal;
    this.#nextRoom = nextRoom;
  }

  isTerminal(): boolean {
    return this.#isTerminal;
  }

  /** As Rust's `LineWriter::write()`, then `flush()`. */
  writeSync(bytes: Uint8Array): number {
    const written = this.#write(bytes);
    this.#flush();
    return written;
  }

  #write(bytes: Uint8Array): number {
    const newline = bytes.lastIndexOf(NEWLINE);
    if (newline < 0) {
      if (this.#kept.length + bytes.length > LINE_BUFFER_BYTES) this.#flush();
      if (bytes.length >= LINE_BUFFER_BYTES) return this.#put(bytes);
      return this.#keep(bytes);
    }
    this.#flush();
    const put = this.#put(bytes.subarray(0, newline + 1));
    const rest = put >= newline
      ? bytes.subarray(put)
      : bytes.subarray(put, Math.min(newline, put + LINE_BUFFER_BYTES));
    return put + this.#keep(rest);
  }

  #keep(bytes: Uint8Array): number {
    const room = LINE_BUFFER_BYTES - this.#kept.length;
    const taken = bytes.subarray(0, room);
    this.#kept = Uint8Array.from([...this.#kept, ...taken]);
    return taken.length;
  }

  #flush(): void {
    while (this.#kept.length > 0) {
      this.#kept = this.#kept.subarray(this.#put(this.#kept));
    }
  }

  /** One `write(2)`. */
  #put(bytes: Uint8Array): number {
    const room = this.#nextRoom();
    const isWhole = !this.#isTerminal && bytes.length <= PIPE_BUF;
    if (room === 0 || isWhole && room < bytes.length) {
      throw new Deno.errors.WouldBlock("Resource temporarily unavailable");
    }
    const taken = bytes.subarray(0, room);
    for (const byte of taken) this.out.push(byte);
    return taken.length;
  }
}

/** The lengths of lines. */
const LENGTHS = fc.array(
  fc.oneof(
    fc.nat(8),
    fc.nat(200),
    fc.integer({ min: 1_000, max: 1_050 }),
    fc.integer({ min: 4_000, max: 9_000 }),
  ),
  { maxLength: 20 },
);

function linesOf(lengths: readonly number[]): Uint8Array {
  const lines = lengths.map((length, i) =>
    `${String.fromCharCode(0x61 + i).repeat(length)}\n`
  );
  return new TextEncoder().encode(lines.join(""));
}

const ROOMS = fc.array(
  fc.oneof(fc.constant(0), fc.nat(100), fc.nat(5_000), fc.constant(100_000)),
  { minLength: 1, maxLength: 50 },
);

for (const isTerminal of [false, true]) {
  const where = isTerminal ? "terminal" : "pipe";
  Deno.test(`writeBytes() writes each byte once to a ${where} that does not block`, () => {
    fc.assert(fc.property(LENGTHS, ROOMS, (lengths, rooms) => {
      const lines = linesOf(lengths);
      let writes = 0;
      const stream = new LineBuffered(
        isTerminal,
        // In the end there is room.
        () => writes < rooms.length ? rooms[writes++] : 100_000,
      );
      assert(writeBytes(lines, stream, true));
      assertEquals(Uint8Array.from(stream.out), lines);
    }));
  });
}

Deno.test("writeBytes() writes each byte once to a stream without a line buffer", () => {
  fc.assert(
    fc.property(LENGTHS, ROOMS, fc.boolean(), (lengths, rooms, isTerminal) => {
      const lines = linesOf(lengths);
      const out: number[] = [];
      let writes = 0;
      const stream = {
        isTerminal: () => isTerminal,
        writeSync(bytes: Uint8Array): number {
          const room = writes < rooms.length ? rooms[writes++] : 100_000;
          if (room === 0) throw new Deno.errors.WouldBlock("no room");
          const taken = bytes.subarray(0, room);
          out.push(...taken);
          return taken.length;
        },
      };
      assert(writeBytes(lines, stream));
      assertEquals(Uint8Array.from(out), lines);
    }),
  );
});

Deno.test("writeBytes() tells of a reader that has gone, and of what else fails", () => {
  const failing = (error: Error) => ({
    isTerminal: () => false,
    writeSync(): number {
      throw error;
    },
  });
  const bytes = new TextEncoder().encode("a\n");
  assertEquals(
    writeBytes(bytes, failing(new Deno.errors.BrokenPipe("gone"))),
    false,
  );
  assertThrows(
    () => writeBytes(bytes, failing(new Error("No space left on device"))),
    Error,
    "Cannot write output: No space left on device",
  );
});
