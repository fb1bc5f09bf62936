import { assertEquals } from "@std/assert";
import { Model } from "../../../bench/soak/model.ts";

Deno.test("Model.found() knows what was acknowledged", () => {
  const model = new Model();
  assertEquals(model.found("k", undefined), undefined);
  assertEquals(model.found("k", "1"), '"k" is "1", but must be not there');
  model.wrote("k", "2");
  assertEquals(model.found("k", "2"), undefined);
  assertEquals(model.found("k", "1"), '"k" is "1", but must be "2"');
  model.wrote("k", undefined);
  assertEquals(model.found("k", "2"), '"k" is "2", but must be not there');
});

Deno.test("Model.found() takes either for a write without an answer, and then that one", () => {
  for (const value of ["1", "2", undefined]) {
    const model = new Model();
    model.wrote("k", "1");
    model.mayHaveWritten("k", "2");
    model.mayHaveWritten("k", undefined);
    assertEquals(model.found("k", value), undefined);
    const other = value === "1" ? "2" : "1";
    assertEquals(typeof model.found("k", other), "string");
  }
  const model = new Model();
  model.mayHaveWritten("k", "2");
  assertEquals(
    model.found("k", "3"),
    '"k" is "3", but must be not there or "2"',
  );
});

Deno.test("Model.mayBeThere() knows what a removal may find", () => {
  const model = new Model();
  const both = () => [true, false].map((is) => model.mayBeThere("k", is));
  assertEquals(both(), [false, true]);
  model.mayHaveWritten("k", "1");
  assertEquals(both(), [true, true]);
  model.wrote("k", "1");
  assertEquals(both(), [true, false]);
});
