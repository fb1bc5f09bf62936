/**
 * Prints the flags that keep out of the binary what it never uses of the npm
 * packages: a compiled program reads everything that is embedded in it at each
 * start. The task `compile` puts the output in front of its module.
 *
 * Run it with the Deno that compiles. The binary is for the system it runs on.
 *
 * @module
 */

import process from "node:process";
import project from "../deno.json" with { type: "json" };

/** The package that the program imports; all others are needed only for it. */
const PACKAGE = "classic-level";

/** Folders that no module of a package needs, by the package's name. */
const UNUSED_FOLDERS: Readonly<Record<string, readonly string[]>> = {
  "abstract-level": ["test"],
  // The sources of the addon; it is there compiled, in `prebuilds`.
  "classic-level": ["deps"],
};

/** The part of what `deno info --json` prints that counts here. */
interface Info {
  /** The folder that has a folder for each registry. */
  readonly npmCache: string;
  /** What was asked for. */
  readonly modules: readonly { readonly npmPackage: string }[];
  /** Each package that the lock file knows, by name and version. */
  readonly npmPackages: Readonly<
    Record<string, {
      readonly name: string;
      readonly version: string;
      readonly dependencies: readonly string[];
    }>
  >;
}

if (import.meta.main) {
  const paths = await findUnused();
  // The shell of the tasks would make two arguments of one.
  const unfit = paths.find((path) => /\s/.test(path));
  if (unfit === undefined) {
    console.log(paths.map((path) => `--exclude=${path}`).join(" "));
  } else {
    console.error(`Cannot keep "${unfit}" out: the path has a space`);
  }
}

/**
 * Finds what the binary does not need of the npm packages. Downloads them if
 * need be.
 *
 * @param deno The Deno that compiles.
 * @returns Absolute paths of files and folders in Deno's cache.
 * @throws {Error} If Deno can't tell where the packages are.
 */
export async function findUnused(deno = Deno.execPath()): Promise<string[]> {
  const { npmCache } = await info(deno);
  const { modules, npmPackages } = await info(deno, project.imports[PACKAGE]);
  const used = new Set(modules.map(({ npmPackage }) => npmPackage));
  for (const id of used) {
    npmPackages[id].dependencies.forEach((dependency) => used.add(dependency));
  }
  const unused: string[] = [];
  for (const registry of childrenOf(npmCache)) {
    for (const [id, { name, version }] of Object.entries(npmPackages)) {
      const path = `${registry}/${name}/${version}`;
      if (!used.has(id)) unused.push(path);
      const folders = UNUSED_FOLDERS[name] ?? [];
      unused.push(...folders.map((folder) => `${path}/${folder}`));
      unused.push(...foreignAddons(`${path}/prebuilds`));
    }
  }
  return unused.filter((path) => childrenOf(path).length > 0);
}

async function info(deno: string, ...args: string[]): Promise<Info> {
  const { success, stdout, stderr } = await new Deno.Command(deno, {
    args: ["info", "--json", ...args],
    // There is the lock file.
    cwd: new URL("../", import.meta.url),
    env: { NO_COLOR: "1" },
  }).output();
  if (success) return JSON.parse(new TextDecoder().decode(stdout));
  const text = new TextDecoder().decode(stderr).trim();
  throw new Error(`Cannot list the npm packages: ${text}`);
}

/** The folders of addons for other systems than this one. */
function foreignAddons(prebuilds: string): string[] {
  return childrenOf(prebuilds).filter((path) => {
    // Such as `darwin-x64+arm64`
    const [platform, archs] = path.slice(prebuilds.length + 1).split("-");
    return platform !== process.platform ||
      !archs.split("+").includes(process.arch);
  });
}

/** The paths of what a folder holds; nothing if it is none. */
function childrenOf(folder: string): string[] {
  try {
    return Array.from(
      Deno.readDirSync(folder),
      ({ name }) => `${folder}/${name}`,
    );
  } catch (error) {
    if (
      error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory
    ) return [];
    throw error;
  }
}
