import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { orderOf } from "../../../../engine/kvs/log/key_order.ts";

/** The numbers of keys in order, the keys given with bytes between them. */
function orderOfKeys(keys: readonly Uint8Array[]): number[] {
  const bytes = new Uint8Array(keys.reduce((sum, key) => sum + key.length, 1));
  const starts = new Uint32Array(keys.length);
  const ends = new Uint32Array(keys.length);
  let end = 1;
  keys.forEach((key, i) => {
    bytes.set(key, end);
    starts[i] = end;
    ends[i] = end += key.length;
  });
  return [...orderOf({ bytes, starts, ends })];
}

function byBytes(a: Uint8Array, b: Uint8Array): number {
  const at = a.findIndex((byte, i) => byte !== b[i]);
  return at < 0 || at >= b.length ? a.length - b.length : a[at] - b[at];
}

Deno.test("orderOf() puts keys in the order of their bytes, equal ones as they are", () => {
  // Few different bytes, so that keys share prefixes, are equal, end in zeros.
  const key = fc.array(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), {
    maxLength: 12,
  }).map((bytes) => Uint8Array.from(bytes));
  fc.assert(fc.property(fc.array(key, { maxLength: 200 }), (keys) => {
    const expected = [...keys.keys()]
      .sort((a, b) => byBytes(keys[a], keys[b]) || a - b);
    assertEquals(orderOfKeys(keys), expected);
  }));
});

Deno.test("orderOf() leaves many equal keys as they are", () => {
  const key = new TextEncoder().encode("one key");
  const numbers = Array.from({ length: 5_000 }, (_, i) => i);
  assertEquals(orderOfKeys(numbers.map(() => key)), numbers);
});
