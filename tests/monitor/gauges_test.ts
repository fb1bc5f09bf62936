import { assertEquals } from "@std/assert";
import { Gauges } from "../../monitor/gauges.ts";

Deno.test("Gauges counts over all Workers", () => {
  const buffer = Gauges.share(3);
  const first = new Gauges(buffer, 0);
  const last = new Gauges(buffer, 2);
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

Deno.test("Gauges forgets what a Worker had that is replaced", () => {
  const buffer = Gauges.share(2);
  const other = new Gauges(buffer, 0);
  other.addConnections(1);
  const dead = new Gauges(buffer, 1);
  dead.addConnections(10);
  dead.addBufferBytes(10_240);
  dead.addSnapshots(1);
  const next = new Gauges(buffer, 1);
  assertEquals(next.addConnections(1), 2);
  assertEquals(next.addBufferBytes(1024), 1024);
  assertEquals(next.addSnapshots(1), 1);
});

Deno.test("Gauges.read() tells what all Workers have", () => {
  const buffer = Gauges.share(2);
  new Gauges(buffer, 0).addConnections(3);
  const other = new Gauges(buffer, 1);
  other.addConnections(4);
  other.addBufferBytes(2 ** 33);
  assertEquals(Gauges.read(buffer), { connections: 7, bufferBytes: 2 ** 33 });
});
