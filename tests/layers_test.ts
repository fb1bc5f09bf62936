import { assertEquals } from "@std/assert";

const ROOT = new URL("../", import.meta.url);

/**
 * The layers from bottom to top: a file may import from its own layer and from
 * those before it. The longest entry that a path begins with counts.
 */
const LAYERS: readonly (readonly string[])[] = [
  ["version.ts", "options.ts", "addr.ts", "engine/files.ts", "engine/sync/"],
  ["engine/"],
  ["engine/kvs/index/", "engine/kvs/log/"],
  ["engine/kvs/store/"],
  ["engine/level/"],
  ["engine/open.ts"],
  ["protocol/"],
  ["protocol/json/"],
  ["monitor/"],
  ["net/transport.ts", "net/waiting.ts"],
  ["net/native/"],
  ["net/"],
  ["client/"],
  ["pool/"],
  ["server.ts", "client.ts"],
  ["mod.ts"],
  ["cli/"],
  ["main.ts"],
  ["bench/", "compile/"],
];

const IMPORT =
  /^\s*(?:import|export)\b[^"';]*?\bfrom\s*"(\.[^"]+)"|^\s*import\s*"(\.[^"]+)"|\bimport\(\s*"(\.[^"]+)"/gm;

/** Every source file, and the files that it imports, types included. */
async function readImports(): Promise<Map<string, string[]>> {
  const imports = new Map<string, string[]>();
  const walk = async (folder: string): Promise<void> => {
    for await (const { name, isDirectory } of Deno.readDir(folderUrl(folder))) {
      const path = folder + name;
      if (isDirectory && LAYERS.flat().some((l) => l.startsWith(`${path}/`))) {
        await walk(`${path}/`);
      } else if (isDirectory && layerOf(`${path}/`) >= 0) {
        await walk(`${path}/`);
      } else if (name.endsWith(".ts")) {
        imports.set(path, await importsOf(path));
      }
    }
  };
  await walk("");
  return imports;
}

function folderUrl(folder: string): URL {
  return new URL(`./${folder}`, ROOT);
}

async function importsOf(path: string): Promise<string[]> {
  const url = new URL(path, ROOT);
  const text = (await Deno.readTextFile(url)).replaceAll(/^ *\*.*$/gm, "");
  return Array.from(
    text.matchAll(IMPORT),
    ([, from, bare, dynamic]) =>
      new URL(from ?? bare ?? dynamic, url).pathname.slice(
        ROOT.pathname.length,
      ),
  );
}

/** The number of a file's layer, from the bottom; -1 if it has none. */
function layerOf(path: string): number {
  const [entry] = LAYERS.flat()
    .filter((entry) => path.startsWith(entry))
    .sort((a, b) => b.length - a.length);
  return LAYERS.findIndex((layer) => layer.includes(entry));
}

/** The circles: sets of files of which each imports each, if by way of others. */
function circlesOf(imports: ReadonlyMap<string, readonly string[]>) {
  const reach = new Map<string, Set<string>>();
  for (const path of imports.keys()) {
    const seen = new Set<string>();
    const left = [...imports.get(path)!];
    for (let next; (next = left.pop()) !== undefined;) {
      if (seen.has(next)) continue;
      seen.add(next);
      left.push(...imports.get(next) ?? []);
    }
    reach.set(path, seen);
  }
  const circles = new Set<string>();
  for (const [path, seen] of reach) {
    if (!seen.has(path)) continue;
    const circle = [...seen].filter((other) => reach.get(other)?.has(path));
    circles.add(circle.sort().join(" "));
  }
  return [...circles].sort();
}

function upwardOf(imports: ReadonlyMap<string, readonly string[]>): string[] {
  return [...imports].flatMap(([path, targets]) =>
    targets
      .filter((target) => layerOf(target) > layerOf(path))
      .map((target) => arrow(path, target))
  ).sort();
}

function arrow(from: string, to: string): string {
  return `${from} -> ${to}`;
}

Deno.test("Every source file has a layer, and imports from none above it", async () => {
  const imports = await readImports();
  assertEquals([...imports.keys()].filter((path) => layerOf(path) < 0), []);
  assertEquals(upwardOf(imports), []);
});

Deno.test("No source files import each other in a circle", async () => {
  assertEquals(circlesOf(await readImports()), []);
});
