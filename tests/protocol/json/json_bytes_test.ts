import { assertEquals } from "@std/assert";
import { JsonBytes } from "../../../protocol/json/json_bytes.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

Deno.test("JsonBytes.string() tells whether bytes are UTF-8", () => {
  const json = new JsonBytes();
  assertEquals(json.string(encoder.encode('ü"')), true);
  assertEquals(decoder.decode(json.bytes()), 'ü\\"');
  const { length } = json;
  assertEquals(json.string(Uint8Array.of(0x61, 0xff)), false);
  json.cut(length);
  assertEquals(decoder.decode(json.bytes()), 'ü\\"');
});

Deno.test("JsonBytes.take() gives bytes away that stay as they are", () => {
  const json = new JsonBytes();
  json.text("[1]");
  const taken = json.take();
  assertEquals(json.length, 0);
  json.copy(encoder.encode("[2,3]"));
  json.literal(encoder.encode("\n"));
  assertEquals(decoder.decode(taken), "[1]");
  assertEquals(decoder.decode(json.bytes()), "[2,3]\n");
  json.clear();
  assertEquals(json.bytes().length, 0);
});
