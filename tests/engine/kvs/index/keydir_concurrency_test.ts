import { runIndex } from "../_index_concurrency.ts";

Deno.test("Keydir shows readers whole entries in order while a writer changes it", () =>
  runIndex({ keys: 2_000, changes: 100_000, readers: 2, seed: 1 }));

Deno.test("Keydir shows readers whole entries while its last nodes come and go", () =>
  // In a small map a search often stands on the very nodes that change.
  runIndex({ keys: 8, changes: 150_000, readers: 2, seed: 2 }));

Deno.test("Keydir stays within its memory over waves of keys while others read", () =>
  // Forty waves in which 1,000 keys come, and forty in which they go.
  runIndex({
    keys: 2_000,
    changes: 2 * 40 * 1_000,
    readers: 2,
    seed: 3,
    inWaves: true,
  }));
