/**
 * A project in a directory of its own, with the flag script and the imports of
 * this one, and an empty cache.
 *
 * @module
 */

import project from "../../deno.json" with { type: "json" };
import standIns from "../../offline/import_map.json" with { type: "json" };

const ROOT = new URL("../../", import.meta.url);

/** What a process printed. */
export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a task calls the flag script. */
export const FLAG_COMMAND = /\$\((deno run .* offline\/flag\.ts)\)/
  .exec(project.tasks.serve.command)![1];

/** The modules of `jsr:` packages that have stand-ins. */
export const MODULES: readonly string[] = Object.keys(standIns.imports)
  .filter((name) => name.startsWith("@std/"));

/** A copy of what decides about the packages. */
export class TestProject implements Disposable {
  /** Its directory. */
  readonly path = Deno.makeTempDirSync({ prefix: "kvs-offline-" });

  /** Copies the files. */
  constructor() {
    Deno.mkdirSync(`${this.path}/offline/sub`, { recursive: true });
    for (const { name } of Deno.readDirSync(new URL("offline", ROOT))) {
      Deno.copyFileSync(
        new URL(`offline/${name}`, ROOT),
        `${this.path}/offline/${name}`,
      );
    }
    const imports = Object.fromEntries(
      Object.entries(project.imports).filter(([, range]) =>
        range.startsWith("jsr:")
      ),
    );
    const tasks = { use: `deno run $(${FLAG_COMMAND}) use.ts` };
    this.write("deno.json", JSON.stringify({ imports, tasks }));
    this.write("use.ts", USE);
  }

  /** Writes a file of it. */
  write(name: string, text: string): void {
    Deno.writeTextFileSync(`${this.path}/${name}`, text);
  }

  /** Reads a file of it. */
  read(name: string): string {
    return Deno.readTextFileSync(`${this.path}/${name}`);
  }

  /** Runs the flag script as the tasks do. */
  flag(env: Record<string, string>): Promise<Output> {
    return this.run(FLAG_COMMAND.split(" ").slice(1), env);
  }

  /** Runs Deno with its cache in the project. */
  async run(
    args: string[],
    env: Record<string, string>,
    folder = "",
  ): Promise<Output> {
    const { PATH = "" } = Deno.env.toObject();
    const command = new Deno.Command(Deno.execPath(), {
      args,
      cwd: `${this.path}/${folder}`,
      clearEnv: true,
      env: { PATH, NO_COLOR: "1", DENO_DIR: `${this.path}/cache`, ...env },
    });
    const { code, stdout, stderr } = await command.output();
    const decoder = new TextDecoder();
    return {
      code,
      stdout: decoder.decode(stdout),
      stderr: decoder.decode(stderr),
    };
  }

  /** Removes its files. */
  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** Imports all the modules, and tells where they come from. */
const USE = `${
  MODULES.map((name) => `import ${JSON.stringify(name)};`).join("\n")
}
for (const name of ${JSON.stringify(MODULES)}) {
  console.log(import.meta.resolve(name));
}
`;
