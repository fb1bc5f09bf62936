import { assertEquals, assertThrows } from "@std/assert";
import { replaceSection } from "../../../bench/report/publish.ts";

const DOCUMENT = "a\n<!-- begin x -->\nold\n<!-- end x -->\nb\n";

Deno.test("replaceSection() replaces only what is between the marks", () => {
  const once = replaceSection(DOCUMENT, "x", "new");
  assertEquals(once, "a\n<!-- begin x -->\n\nnew\n\n<!-- end x -->\nb\n");
  assertEquals(replaceSection(once, "x", "new"), once);
});

Deno.test("replaceSection() names a section that is not there", () => {
  assertThrows(
    () => replaceSection(DOCUMENT, "y", "new"),
    Error,
    'Cannot write section "y"',
  );
});
