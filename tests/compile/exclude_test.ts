import { assert, assertEquals, assertMatch } from "@std/assert";
import process from "node:process";
import { findUnused } from "../../compile/exclude.ts";

const unused = await findUnused();

Deno.test("findUnused() names what is there, each only once", () => {
  for (const path of unused) assert(Deno.statSync(path).isDirectory, path);
  assertEquals(new Set(unused).size, unused.length);
});

Deno.test("findUnused() names whole packages that only tests import", () => {
  assert(unused.some((path) => /\/fast-check\/[\d.]+$/.test(path)));
  assertEquals(
    unused.filter((path) => /\/classic-level\/[^/]+$/.test(path)),
    [],
  );
});

Deno.test("findUnused() names the sources of the addon and the tests of packages", () => {
  assert(unused.some((path) => /\/classic-level\/[\d.]+\/deps$/.test(path)));
  assert(unused.some((path) => /\/abstract-level\/[\d.]+\/test$/.test(path)));
});

Deno.test("findUnused() leaves the addon for this system", () => {
  const foreign = unused.filter((path) => path.includes("/prebuilds/"));
  const [prebuilds] = foreign[0].split(/(?<=\/prebuilds)\//);
  const left = Array.from(
    Deno.readDirSync(prebuilds),
    ({ name }) => `${prebuilds}/${name}`,
  ).filter((path) => !unused.includes(path));
  assertEquals(left.length, 1);
  assertMatch(left[0], new RegExp(`/${process.platform}-.*${process.arch}`));
  const addons = Array.from(Deno.readDirSync(left[0]), ({ name }) => name);
  assert(addons.some((name) => name.endsWith(".node")), left[0]);
});
