import { assert, assertEquals, assertFalse } from "@std/assert";
import {
  isStable,
  KeyVersions,
  NO_VERSION,
} from "../../../../engine/kvs/index/versions.ts";

Deno.test("KeyVersions: a change makes the version odd, its end makes it even and another", () => {
  const versions = new KeyVersions(new Uint32Array(16));
  const before = versions.of(0xffff_fff3);
  assert(isStable(before));
  versions.beginChange(0xffff_fff3);
  assertFalse(isStable(versions.of(0xffff_fff3)));
  versions.endChange(0xffff_fff3);
  assert(isStable(versions.of(0xffff_fff3)));
  assert(versions.of(0xffff_fff3) > before);
  // A key of another hash shares the counter, or has one of its own.
  assertEquals(versions.of(3), versions.of(0xffff_fff3));
  assertEquals(versions.of(4), before);
});

Deno.test("KeyVersions: the change of a writer that died ends with the next one", () => {
  const words = new Uint32Array(16);
  const versions = new KeyVersions(words);
  versions.beginChange(1);
  versions.beginChange(1);
  assertFalse(isStable(versions.of(1)));
  versions.endChange(1);
  assert(isStable(versions.of(1)));
  assert(versions.of(1) > 0);
});

Deno.test("KeyVersions: the last version is never stable, and never goes", () => {
  const words = new Uint32Array(16).fill(0xffff_fffe);
  const versions = new KeyVersions(words);
  assert(isStable(versions.of(1)));
  for (let change = 0; change < 2; change++) {
    versions.beginChange(1);
    assertEquals(versions.of(1), NO_VERSION);
    versions.endChange(1);
    assertEquals(versions.of(1), NO_VERSION);
  }
  assertFalse(isStable(NO_VERSION));
});
