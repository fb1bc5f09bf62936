import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import project from "../../deno.json" with { type: "json" };
import standIns from "../../offline/import_map.json" with { type: "json" };
import { FLAG_COMMAND } from "./_project.ts";

const ROOT = new URL("../../", import.meta.url);

/** Folders whose modules are not the project's own, beside the hidden ones. */
const SKIPPED = ["coverage", "data", "offline"];

/** The text of each module of the project, by its path. */
function readModules(): Map<string, string> {
  const modules = new Map<string, string>();
  const visit = (path: string) => {
    for (const entry of Deno.readDirSync(new URL(path, ROOT))) {
      const child = `${path}${entry.name}`;
      const skipped = child.startsWith(".") || SKIPPED.includes(child);
      if (entry.isDirectory && !skipped) visit(`${child}/`);
      if (!entry.isFile || !child.endsWith(".ts")) continue;
      modules.set(child, Deno.readTextFileSync(new URL(child, ROOT)));
    }
  };
  visit("");
  return modules;
}

const modules = readModules();

const commands: ReadonlyMap<string, string> = new Map(
  Object.entries(project.tasks).map(([name, { command }]) => [name, command]),
);

Deno.test("import_map.json has a stand-in for each module of a jsr: package that is imported", async () => {
  const imported = new Set<string>();
  for (const text of modules.values()) {
    const specifiers = text.matchAll(/^(?!\s*\*).*from "(@std\/[^"]+)";$/gm);
    for (const [, specifier] of specifiers) imported.add(specifier);
  }
  assert(imported.has("@std/assert"), "No import was found");
  const mapped = Object.entries(standIns.imports)
    .filter(([name]) => name.startsWith("@std/"));
  assertEquals(mapped.map(([name]) => name).sort(), [...imported].sort());
  for (const [, path] of mapped) {
    const url = new URL(path, new URL("offline/", ROOT));
    assert((await Deno.stat(url)).isFile, `${url} is no file`);
  }
});

Deno.test("import_map.json and deno.json name the same packages and npm versions", () => {
  const real = Object.entries(project.imports);
  const packages = Object.keys(standIns.imports)
    .map((name) => name.split("/").slice(0, name.startsWith("@") ? 2 : 1))
    .map((parts) => parts.join("/"));
  assertEquals(
    [...new Set(packages)].sort(),
    real.map(([name]) => name).sort(),
  );
  const npm = (imports: [string, string][]) =>
    imports.filter(([, to]) => to.startsWith("npm:")).sort();
  assertEquals(npm(Object.entries(standIns.imports)), npm(real));
});

Deno.test("deno.lock pins the npm packages, and names no server", async () => {
  const text = await Deno.readTextFile(new URL("deno.lock", ROOT));
  const { specifiers } = JSON.parse(text);
  for (const range of Object.values(project.imports)) {
    if (!range.startsWith("npm:")) continue;
    assert(Object.hasOwn(specifiers, range.replace("^", "")), range);
  }
  assertEquals(text.includes("://"), false);
});

Deno.test("deno task calls flag.ts in the same way everywhere", () => {
  const names = [...commands]
    .filter(([, command]) =>
      /deno (run|test|check|bench|compile)/.test(command)
    )
    .map(([name]) => name);
  assert(names.includes("serve") && names.includes("check"));
  for (const name of names) {
    assertStringIncludes(commands.get(name)!, `$(${FLAG_COMMAND})`, name);
  }
});

Deno.test("deno task gives serve, kvs and the binary the same permissions, and no more", () => {
  const permissionsOf = (name: string) => {
    const command = commands.get(name)!.replaceAll(/\$\(.*?\)/g, "");
    return command.match(/--(allow|deny|no-prompt)\S*|(?<=\s)-[A-Z]\S*/g);
  };
  const expected = permissionsOf("serve");
  assertEquals(expected?.map((flag) => flag.replace(/=.*/, "")), [
    "--no-prompt",
    "--allow-net",
    "--allow-read",
    "--allow-write",
    "--allow-ffi",
    "--allow-sys",
    "--allow-env",
  ]);
  assertEquals(permissionsOf("kvs"), expected);
  assertEquals(permissionsOf("compile"), expected);
});

Deno.test("deno task compile includes the entry module of every Worker", () => {
  const workers = new Set<string>();
  for (const [path, text] of modules) {
    if (/^(tests|bench)\//.test(path)) continue;
    for (const [, worker] of text.matchAll(/new URL\("(.*_worker\.ts)"/g)) {
      const { href } = new URL(worker, new URL(path, ROOT));
      workers.add(href.slice(ROOT.href.length));
    }
  }
  assert(workers.has("pool/reuse_port_worker.ts"), "No Worker was found");
  const included = commands.get("compile")!.matchAll(/--include (\S+)/g);
  assertEquals(
    Array.from(included, ([, path]) => path).sort(),
    [...workers].sort(),
  );
});
