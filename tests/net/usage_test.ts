import { assertEquals } from "@std/assert";
import { Usage } from "../../net/usage.ts";

Deno.test("Usage counts over all Workers", () => {
  const buffer = Usage.share(3);
  const first = new Usage(buffer, 0);
  const last = new Usage(buffer, 2);
  assertEquals(first.addConnections(2), 2);
  assertEquals(last.addConnections(3), 5);
  assertEquals(first.addConnections(-1), 4);
  // Further than an integer of 32 bits counts bytes.
  assertEquals(first.addBufferBytes(2 ** 33), 2 ** 33);
  assertEquals(last.addBufferBytes(1024), 2 ** 33 + 1024);
  assertEquals(last.addBufferBytes(-1024), 2 ** 33);
  assertEquals(first.addSnapshots(1), 1);
  assertEquals(last.addSnapshots(1), 2);
  assertEquals(first.addSnapshots(-1), 1);
});

Deno.test("Usage forgets what a Worker had that is replaced", () => {
  const buffer = Usage.share(2);
  const other = new Usage(buffer, 0);
  other.addConnections(1);
  const dead = new Usage(buffer, 1);
  dead.addConnections(10);
  dead.addBufferBytes(10_240);
  dead.addSnapshots(1);
  const next = new Usage(buffer, 1);
  assertEquals(next.addConnections(1), 2);
  assertEquals(next.addBufferBytes(1024), 1024);
  assertEquals(next.addSnapshots(1), 1);
});

Deno.test("Usage.read() tells what all Workers have", () => {
  const buffer = Usage.share(2);
  new Usage(buffer, 0).addConnections(3);
  const other = new Usage(buffer, 1);
  other.addConnections(4);
  other.addBufferBytes(2 ** 33);
  assertEquals(Usage.read(buffer), { connections: 7, bufferBytes: 2 ** 33 });
});
