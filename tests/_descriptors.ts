/**
 * Processes that may open few files.
 *
 * @module
 */

/**
 * Has a module run in a process with few descriptors.
 *
 * @param limit How many it may have.
 * @param module The module.
 * @param args Its arguments.
 */
export function underLimit(
  limit: number,
  module: URL,
  ...args: string[]
): Deno.Command {
  return new Deno.Command("sh", {
    args: [
      "-c",
      `ulimit -n ${limit}; exec "$0" run -A --quiet --no-check "$@"`,
      Deno.execPath(),
      ...importMap(),
      module.href,
      ...args,
    ],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** What this process imports, the other imports from the same place. */
function importMap(): string[] {
  const offline = new URL("../offline/", import.meta.url).href;
  return import.meta.resolve("@std/assert").startsWith(offline)
    ? [`--import-map=${offline}import_map.json`]
    : [];
}
