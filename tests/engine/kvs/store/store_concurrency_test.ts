import { runStore } from "../_store_concurrency.ts";

Deno.test("KvStore loses no write of several Workers while it is compacted", () =>
  runStore({
    writers: 2,
    readers: 2,
    keys: 300,
    writes: 5_000,
    options: { segmentBytes: 2 ** 15, sync: "no", cacheBytes: 2 ** 16 },
  }));

Deno.test("KvStore loses no write of several Workers that wait for the disk", () =>
  runStore({
    writers: 3,
    readers: 1,
    keys: 50,
    writes: 1_000,
    options: { segmentBytes: 4_096, sync: "always", cacheBytes: 0 },
  }));
