/**
 * A registry of the `jsr:` packages on this machine, with the stand-ins as
 * their contents.
 *
 * @module
 */

import project from "../../deno.json" with { type: "json" };
import standIns from "../../offline/import_map.json" with { type: "json" };

const OFFLINE = new URL("../../offline/", import.meta.url);

/** A registry that is running. */
export interface Registry extends AsyncDisposable {
  /** What `JSR_URL` must be for it to be asked. */
  readonly url: string;
  /** The paths that it was asked for. */
  readonly asked: readonly string[];
}

/** Serves the packages of the project, each in the least version of its range. */
export function serveRegistry(): Registry {
  const asked: string[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const { pathname } = new URL(request.url);
      asked.push(pathname);
      return await answer(pathname);
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}/`,
    asked,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

async function answer(pathname: string): Promise<Response> {
  const path = /^\/@std\/(\w+)\/([^/]+)(\/.+)?$/.exec(pathname);
  const version = path === null ? undefined : versionOf(path[1]);
  if (path === null || version === undefined) {
    return new Response("Not found", { status: 404 });
  }
  const [, name, part, file] = path;
  if (part === "meta.json") {
    return Response.json({
      scope: "std",
      name,
      latest: version,
      versions: { [version]: {} },
    });
  }
  if (part === `${version}_meta.json`) {
    return Response.json({
      manifest: await describeFiles(name),
      exports: exportsOf(name),
    });
  }
  return new Response(await Deno.readFile(new URL(`.${file}`, OFFLINE)));
}

function versionOf(name: string): string | undefined {
  const imports: Readonly<Record<string, string>> = project.imports;
  return /^jsr:.*@\^(\d.*)$/.exec(imports[`@std/${name}`] ?? "")?.[1];
}

/** The modules of a package, by the names under which they are imported. */
function exportsOf(name: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(standIns.imports)
      .filter(([specifier]) => `${specifier}/`.startsWith(`@std/${name}/`))
      .map(([specifier, path]) => [
        `.${specifier.slice(`@std/${name}`.length)}`,
        path,
      ]),
  );
}

async function describeFiles(
  name: string,
): Promise<Record<string, { size: number; checksum: string }>> {
  const files: Record<string, { size: number; checksum: string }> = {};
  for (const path of Object.values(exportsOf(name))) {
    const bytes = await Deno.readFile(new URL(path, OFFLINE));
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    files[path.slice(1)] = {
      size: bytes.length,
      checksum: `sha256-${hash.toHex()}`,
    };
  }
  return files;
}
