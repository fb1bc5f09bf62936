import { assertEquals } from "@std/assert";
import type { Compactor } from "../../../../engine/kvs/store/compactor.ts";
import { Upkeep } from "../../../../engine/kvs/store/upkeep.ts";
import { TempStore } from "../_test_store.ts";

Deno.test("Upkeep.catchUp() fails no write because a compaction can't begin", () => {
  using store = new TempStore();
  const failures: string[] = [];
  const parts = {
    log: store.log,
    index: store.index,
    compaction: store.compaction,
    onFailure: ({ message }: Error) => failures.push(message),
  };
  const compactor: Pick<Compactor, "compactIfWorthwhile"> = {
    compactIfWorthwhile() {
      throw new Error("Cannot take the write lock");
    },
  };
  const upkeep = new Upkeep(store.handle, parts, compactor);
  // It is overdue.
  store.compaction.takeUpkeep = () => true;
  upkeep.catchUp();
  assertEquals(failures, ["Cannot take the write lock"]);
});
