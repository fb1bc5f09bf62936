/**
 * Random commands to a store.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { KvStore } from "../../../engine/kvs/store/store.ts";
import {
  bytes,
  copyDirectory,
  openStore,
  TempDirectory,
  text,
} from "./_helpers.ts";

/**
 * Runs random commands against a store and a Map, and compares the two.
 *
 * @param runs How many lists of commands.
 */
export async function runStoreCommands(runs: number): Promise<void> {
  const key = fc.constantFrom("a", "b", "c", "d", "", "ä", "long".repeat(20));
  const value = fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 20 }),
    fc.integer({ min: 0, max: 3_000 }).map((length) => "v".repeat(length)),
  );
  const write = fc.record({
    key,
    value: fc.option(value, { nil: undefined }),
  });
  const command = fc.oneof(
    { weight: 6, arbitrary: fc.record({ set: key, value }) },
    { weight: 3, arbitrary: fc.record({ remove: key }) },
    { weight: 3, arbitrary: fc.record({ get: key }) },
    {
      weight: 3,
      arbitrary: fc.record({ batch: fc.array(write, { maxLength: 12 }) }),
    },
    { weight: 1, arbitrary: fc.record({ compact: fc.constant(true) }) },
    { weight: 1, arbitrary: fc.record({ reopen: fc.boolean() }) },
  );
  type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;
  const options = { segmentBytes: 4_096, sync: "no" } as const;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(command, fc.boolean()), { maxLength: 60 }),
      async (commands: readonly [Command, boolean][]) => {
        using directory = new TempDirectory();
        let store = openStore(directory.path, options);
        let clone = KvStore.attach(store.share());
        const model = new Map<string, string>();
        for (const [command, byClone] of commands) {
          const instance = byClone ? clone : store;
          if ("set" in command) {
            await instance.set(command.set, command.value);
            model.set(command.set, command.value);
          } else if ("remove" in command) {
            assertEquals(
              await instance.remove(command.remove),
              model.delete(command.remove),
            );
          } else if ("get" in command) {
            assertEquals(
              instance.get(command.get),
              model.get(command.get),
            );
          } else if ("batch" in command) {
            const outcomes = instance.write(
              command.batch.map(({ key, value }) => ({
                key: bytes(key),
                value: value === undefined ? undefined : bytes(value),
              })),
            );
            const expected = command.batch.map(({ key, value }) => {
              if (value === undefined) return model.delete(key);
              model.set(key, value);
              return true;
            });
            assertEquals(outcomes, expected);
          } else if ("compact" in command) {
            await instance.compact();
          } else {
            if (command.reopen) {
              await clone.close();
              await store.close();
            } else {
              // As a kill leaves it.
              const copy = `${directory.path}/copy`;
              copyDirectory(directory.path, copy);
              const killed = openStore(copy, options);
              assertEquals(killed.size, model.size);
              for (const [key, value] of model) {
                assertEquals(killed.get(key), value);
              }
              await killed.close();
              Deno.removeSync(copy, { recursive: true });
              continue;
            }
            store = openStore(directory.path, options);
            clone = KvStore.attach(store.share());
          }
          assertEquals(store.size, model.size);
        }
        for (const [key, value] of model) {
          assertEquals(text(clone.getBytes(bytes(key))!), value);
        }
        await clone.close();
        await store.close();
      },
    ),
    { numRuns: runs },
  );
}
