/**
 * The index with 1,000,000 keys of 11 bytes: `deno bench bench/skip_map_bench.ts`.
 *
 * @module
 */

import { emptyPointer } from "../engine/kvs/index/log_pointer.ts";
import { Keydir } from "../engine/kvs/index/keydir.ts";

const KEYS = 1_000_000;
/** So many inserts are timed at once, and taken back outside of the timing. */
const INSERTS = 1_000;
const PAGE = 1_000;

const encoder = new TextEncoder();
const map = Keydir.create(2 ** 28);
const keys: Uint8Array[] = [];
for (let n = 0; n < KEYS; n++) {
  // A permutation of the numbers: 7,919 and the number of keys are coprime.
  const number = n * 7_919 % KEYS;
  keys.push(encoder.encode(`key${String(number).padStart(8, "0")}`));
}
const newKeys = Array.from(
  { length: INSERTS },
  (_, n) => encoder.encode(`key${String(n * 997).padStart(8, "0")}+`),
);
const pointer = { segment: 1, offset: 16, length: 150, sequence: 1 };
const found = emptyPointer();
keys.forEach((key, n) => map.set(key, { ...pointer, offset: n }));
console.log(
  `${map.size} keys take ${
    (map.usedBytes / KEYS).toFixed(1)
  } bytes each, keys included`,
);

let turn = 0;

/** Another key each time, in no order. */
function nextKey(): Uint8Array {
  turn = (turn + 104_729) % KEYS;
  return keys[turn];
}

Deno.bench("Keydir.get() of a key", { group: "get", baseline: true }, () => {
  if (!map.get(nextKey(), found)) throw new Error("A key was missed");
});

Deno.bench("Keydir.get() of a missing key", { group: "get" }, () => {
  turn = (turn + 1) % INSERTS;
  if (map.get(newKeys[turn], found)) throw new Error("A key was found");
});

Deno.bench("Keydir.set() of a key that is there", { group: "set" }, () => {
  map.set(nextKey(), pointer, found);
});

Deno.bench(
  `Keydir.set() of ${INSERTS} new keys`,
  { group: "insert", n: 200, warmup: 20 },
  (bench) => {
    bench.start();
    for (const key of newKeys) map.set(key, pointer, found);
    bench.end();
    for (const key of newKeys) map.remove(key, found);
  },
);

Deno.bench(
  `Keydir.remove() of ${INSERTS} keys`,
  { group: "remove", n: 200, warmup: 20 },
  (bench) => {
    for (const key of newKeys) map.set(key, pointer, found);
    bench.start();
    for (const key of newKeys) map.remove(key, found);
    bench.end();
  },
);

Deno.bench(
  `Keydir.page() of ${PAGE} entries from any key`,
  { group: "page" },
  () => {
    map.page(PAGE, { start: nextKey() });
  },
);

Deno.bench(
  `Keydir.page() over all ${KEYS} entries`,
  { group: "scan", n: 3, warmup: 1 },
  () => {
    let page = map.page(PAGE);
    let count = page.length;
    while (page.length === PAGE) {
      page = map.page(PAGE, { after: page[PAGE - 1].key });
      count += page.length;
    }
    if (count !== KEYS) throw new Error(`Scanned ${count} keys`);
  },
);
