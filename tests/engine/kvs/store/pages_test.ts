import { assertEquals } from "@std/assert";
import { packPage, unpackPage } from "../../../../engine/kvs/store/pages.ts";
import { bytes } from "../_helpers.ts";

Deno.test("unpackPage() gives back what packPage() was given, memory aside", () => {
  const shared = bytes("ab");
  const entries = [
    { key: bytes(""), value: bytes("") },
    { key: shared.subarray(0, 1), value: shared.subarray(1) },
    { key: bytes("c"), value: undefined },
    { key: bytes("d"), value: new Uint8Array(100_000).fill(7) },
  ];
  for (const page of [{ entries, more: true }, { entries: [], more: false }]) {
    const packed = packPage(page);
    const { lengths, bytes } = packed;
    const received = structuredClone(packed, {
      transfer: [lengths.buffer, bytes.buffer],
    });
    assertEquals(unpackPage(received), page);
  }
  assertEquals(shared, bytes("ab"));
});
