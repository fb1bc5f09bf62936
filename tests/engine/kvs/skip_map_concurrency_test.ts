import { runIndex } from "./_index_concurrency.ts";

Deno.test("SkipMap shows readers whole entries in order while a writer changes it", () =>
  runIndex({ keys: 2_000, changes: 300_000, readers: 2, seed: 1 }));

Deno.test("SkipMap shows readers whole entries while its last nodes come and go", () =>
  // In a small map a search often stands on the very nodes that change.
  runIndex({ keys: 8, changes: 500_000, readers: 2, seed: 2 }));
