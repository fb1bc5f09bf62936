import { assertStringIncludes, assertThrows } from "@std/assert";
import { assertLinearizable } from "./_assert.ts";
import type { Action, Operation } from "./_history.ts";

function operation(
  key: string,
  action: Action,
  invokedMs: number,
): Operation {
  const returnedMs = invokedMs + 1;
  return { key, action, session: 1, invokedMs, returnedMs, answered: true };
}

Deno.test("assertLinearizable() takes each key by itself", () => {
  assertLinearizable([
    operation("a", { kind: "set", value: "v" }, 0),
    operation("b", { kind: "get", value: undefined }, 2),
    operation("a", { kind: "get", value: "v" }, 4),
  ]);
});

Deno.test("assertLinearizable() shows which operations do not fit together", () => {
  const { message } = assertThrows(
    () =>
      assertLinearizable([
        operation("a", { kind: "set", value: "v" }, 0),
        operation("b", { kind: "set", value: "v".repeat(100) }, 2),
        operation("b", { kind: "remove", found: true }, 4),
        operation("b", { kind: "get", value: "v" }, 6),
        {
          ...operation("b", { kind: "remove", found: undefined }, 6.5),
          answered: false,
        },
      ]),
    Error,
    'No order of the operations on key "b" explains all answers',
  );
  assertStringIncludes(
    message,
    `explains 2 of 4 and ends with
  2.000 to 3.000 ms, session 1: set "${"v".repeat(29)}…" of 100 characters
  4.000 to 5.000 ms, session 1: remove found the key
Then this does not fit
  6.000 to 7.000 ms, session 1: get found "v"
Others at the same time: 1
  6.500 to 7.500 ms, session 1: remove, not answered`,
  );
});
