import { assert, assertEquals, assertThrows } from "@std/assert";
import { exposition } from "../../monitor/exposition.ts";
import {
  Monitor,
  readMonitor,
  shareMonitor,
  WorkerTally,
} from "../../monitor/monitor.ts";
import { MemoryEngine } from "../_memory_engine.ts";
import { parseExposition } from "./_exposition_parser.ts";

/** The page of a server that has done something. */
async function page(): Promise<string> {
  const handle = shareMonitor("work-stealing", 3);
  const { counters } = new Monitor(handle, 2);
  const batch = { gets: 3, sets: 1, removes: 2, errors: 1 };
  counters.end(counters.begin() - 20, batch);
  counters.add("connections", 5);
  counters.add("scan");
  return exposition(await readMonitor(handle, new MemoryEngine()));
}

Deno.test("exposition() is in Prometheus's format", async () => {
  const metrics = parseExposition(await page());
  for (const [name, { type, help }] of metrics) {
    assert(name.startsWith("kvs_"), name);
    assert(help.endsWith("."), help);
    assertEquals(name.endsWith("_total"), type === "counter", name);
  }
});

Deno.test("exposition() has what was counted", async () => {
  const metrics = parseExposition(await page());
  const value = (sample: string) =>
    metrics.get(sample.replace(/\{.*/, ""))?.samples.get(sample);
  assertEquals(value('kvs_requests_total{kind="get"}'), 3);
  assertEquals(value('kvs_requests_total{kind="remove"}'), 2);
  assertEquals(value('kvs_requests_total{kind="scan"}'), 1);
  assertEquals(value("kvs_request_errors_total"), 1);
  assertEquals(value("kvs_connections_accepted_total"), 5);
  assertEquals(value("kvs_threads"), 3);
  assertEquals(value("kvs_workers_down"), 0);
  assertEquals(value("kvs_worker_deaths_total"), 0);
  assertEquals(value("kvs_writes_refused"), 0);
  assertEquals(value("kvs_keys"), 0);
  // The engine does not know.
  assertEquals(metrics.has("kvs_dead_bytes"), false);
  const started = value("kvs_start_time_seconds")!;
  assert(Math.abs(started - Date.now() / 1e3) < 60, `${started}`);
  assert(value("kvs_resident_memory_bytes")! > 2 ** 20);
});

Deno.test("exposition() has what is wrong", async () => {
  const handle = shareMonitor("reuse-port", 2);
  const tally = new WorkerTally(handle);
  for (let i = 0; i < 3; i++) tally.died();
  tally.setDown(2);
  const reading = await readMonitor(handle, new MemoryEngine());
  const writesRefused = "The disk failed";
  const text = exposition({
    ...reading,
    store: { ...reading.store, writesRefused },
  });
  for (
    const line of [
      "kvs_workers_down 2",
      "kvs_worker_deaths_total 3",
      "kvs_writes_refused 1",
    ]
  ) assert(text.includes(`\n${line}\n`), text);
});

Deno.test("exposition() has latencies in buckets", async () => {
  const { samples } = parseExposition(await page())
    .get("kvs_request_duration_seconds")!;
  const name = "kvs_request_duration_seconds";
  // 20 ms and a little.
  assertEquals(samples.get(`${name}_bucket{kind="get",le="0.0131072"}`), 0);
  assertEquals(samples.get(`${name}_bucket{kind="get",le="0.8388608"}`), 3);
  assertEquals(samples.get(`${name}_bucket{kind="set",le="0.8388608"}`), 1);
  assertEquals(samples.get(`${name}_count{kind="get"}`), 3);
  const sum = samples.get(`${name}_sum{kind="get"}`)!;
  assert(sum >= 0.06 && sum < 2, `${sum}`);
});

Deno.test("parseExposition() refuses what is not in the format", async () => {
  const good = await page();
  parseExposition(good);
  for (
    const bad of [
      good.slice(0, -1),
      good.replace("# HELP kvs_keys", "# HELP kvs_kees"),
      good.replace("# TYPE kvs_keys gauge\n", ""),
      good.replace("# TYPE kvs_keys gauge", "# TYPE kvs_keys number"),
      good.replace("\nkvs_keys ", "\nkvs_keys  "),
      good.replace("\nkvs_keys 0", "\nkvs_keys NaN"),
      good.replace("\nkvs_keys 0", "\nkvs_keys{a=b} 0"),
      good.replace("\nkvs_keys 0", "\nkvs_keys 0\nkvs_keys 0"),
      good.replace(/_count\{kind="get"\} 3/, '_count{kind="get"} 4'),
      good.replace(
        'kind="get",le="0.0131072"} 0',
        'kind="get",le="0.0131072"} 9',
      ),
      good.replace(/[^\n]*kind="set",le="\+Inf".*\n/, ""),
      good + good,
    ]
  ) {
    assert(bad !== good);
    assertThrows(() => parseExposition(bad), Error, "");
  }
});
