import { assert, assertEquals, assertNotEquals } from "@std/assert";
import type { LoadPlan } from "../../../bench/load/plan.ts";
import { makeRequests } from "../../../bench/load/requests.ts";
import { decodeRequest } from "../../../protocol/json/request_decoder.ts";

const PLAN: LoadPlan = {
  port: 0,
  dialect: "json",
  operation: "set",
  data: { keys: 1000, valueBytes: 100 },
  mode: "persistent",
  connections: 1,
  depth: 16,
  threads: 1,
  warmupMs: 0,
  measureMs: 0,
};

const decoder = new TextDecoder();

Deno.test("makeRequests() makes requests that a kvs server decodes", () => {
  const { batches, requestBytes } = makeRequests(PLAN, 1);
  for (const batch of batches.slice(0, 100)) {
    assertEquals(batch.length, 16 * requestBytes);
    for (let at = 0; at < batch.length; at += requestBytes) {
      const request = decodeRequest(batch, at, at + requestBytes);
      assert(request.kind === "set");
      const key = decoder.decode(request.key);
      assert(/^key:[0-9]{12}$/.test(key) && Number(key.slice(4)) < 1000, key);
      assertEquals(request.value.length, 100);
    }
  }
});

Deno.test("makeRequests() gives a key the same value each time", () => {
  const values = new Map<string, string>();
  for (const seed of [1, 2]) {
    for (const batch of makeRequests({ ...PLAN, depth: 1 }, seed).batches) {
      const request = decodeRequest(batch, 0, batch.length);
      assert(request.kind === "set");
      const key = decoder.decode(request.key);
      const value = decoder.decode(request.value);
      assertEquals(values.get(key) ?? value, value);
      values.set(key, value);
    }
  }
  assertNotEquals(values.size, 1);
});

Deno.test("makeRequests() makes a fill of each key once", () => {
  const fill = makeRequests({ ...PLAN, isFill: true }, 1);
  const keys = new Set<string>();
  let count = 0;
  for (const batch of fill.batches) {
    const lines = decoder.decode(batch).trimEnd().split("\n");
    count += lines.length;
    lines.forEach((line) => keys.add(JSON.parse(line).Set.key));
  }
  assertEquals([count, keys.size], [1000, 1000]);
});

Deno.test("makeRequests() speaks Redis's protocol", () => {
  const plan = { ...PLAN, dialect: "resp", depth: 1 } as const;
  const set = makeRequests(plan, 1);
  const text = decoder.decode(set.batches[0]);
  assert(
    /^\*3\r\n\$3\r\nSET\r\n\$16\r\nkey:[0-9]{12}\r\n\$100\r\n\w{100}\r\n$/
      .test(text),
    text,
  );
  const get = makeRequests({ ...plan, operation: "get" }, 1);
  const reply = `$100\r\n${"v".repeat(100)}\r\n`;
  assertEquals(get.reply.lengthBytes, reply.length);
  assertEquals(get.reply.mark, reply.charCodeAt(get.reply.markAt));
  // A missing key and an error.
  assertNotEquals(get.reply.mark, "$-1\r\n".charCodeAt(get.reply.markAt));
  assertNotEquals(set.reply.mark, "-ERR x\r\n".charCodeAt(set.reply.markAt));
});
