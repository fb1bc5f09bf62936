import { assert, assertEquals, assertThrows } from "@std/assert";
import { InputBuffer } from "../../../protocol/json/input_buffer.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** Reads some bytes into a buffer, all of them counting on. */
function read(input: InputBuffer, countBytes: number, first = 0): void {
  const space = input.space();
  for (let i = 0; i < countBytes; i++) space[i] = first + i;
  input.commit(countBytes);
}

Deno.test("InputBuffer.space() keeps unused bytes in order", () => {
  const input = new InputBuffer(MIB);
  for (let i = 0; i < 100_000; i += 1_000) {
    read(input, 1_000, i);
    // Less than what comes in, so that the rest moves and the buffer grows.
    input.start += 900;
    assertEquals(input.bytes[input.start], (i / 1_000 + 1) * 900 % 256);
    assertEquals(input.bytes[input.end - 1], (i + 999) % 256);
    assertEquals(input.view.getUint8(input.start), input.bytes[input.start]);
  }
  assertEquals(input.end - input.start, 100 * 100);
});

Deno.test("InputBuffer.space() gives more to a connection that fills it", () => {
  const input = new InputBuffer(MIB);
  const initialBytes = input.space().length;
  input.commit(initialBytes - 1);
  input.start = input.end;
  assertEquals(input.space().length, initialBytes);
  for (let i = 0; i < 20; i++) {
    input.commit(input.space().length);
    input.start = input.end;
  }
  const busyBytes = input.space().length;
  assert(busyBytes > initialBytes && busyBytes <= MIB);
});

Deno.test("InputBuffer.space() grows by doubling, up to its limit", () => {
  const input = new InputBuffer(16 * MIB);
  let arrays = 0;
  let last: Uint8Array | undefined;
  while (input.end < 16 * MIB) {
    const space = input.space();
    assert(space.length > 0);
    if (input.bytes !== last) arrays++;
    last = input.bytes;
    input.commit(Math.min(space.length, 4 * KIB));
  }
  assert(arrays < 18, `${arrays} arrays`);
  assert(input.bytes.length <= 17 * MIB, `${input.bytes.length} bytes`);
  assert(input.space().length > 0);
  input.commit(1);
  assertThrows(
    () => input.space(),
    RangeError,
    "Cannot read on after 16777217 unused bytes",
  );
});

Deno.test("InputBuffer.space() gives back what one huge request took", () => {
  const input = new InputBuffer(16 * MIB);
  while (input.end < 8 * MIB) input.commit(input.space().length);
  input.start = input.end;
  input.space();
  assert(input.bytes.length <= 64 * KIB);
});

Deno.test("InputBuffer.space() gives as much as is asked for", () => {
  const input = new InputBuffer(4 * KIB);
  read(input, KIB);
  const space = input.space(MIB + 1);
  assert(space.length >= MIB + 1);
  input.commit(MIB + 1);
  assertEquals(input.end - input.start, MIB + 1 + KIB);
  assertEquals(input.bytes[2], 2);
});

Deno.test("InputBuffer.commit() refuses more than there is room for", () => {
  const input = new InputBuffer(MIB);
  const { length } = input.space();
  for (const count of [-1, length + 1, NaN]) {
    assertThrows(
      () => input.commit(count),
      RangeError,
      `Cannot commit ${count} bytes to room for ${length}`,
    );
  }
});
