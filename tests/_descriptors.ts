/**
 * Processes that may open few files.
 *
 * @module
 */

/**
 * Runs a module in a process with few descriptors.
 *
 * @param limit How many it may have.
 * @param module The module.
 * @param args Its arguments.
 * @returns What it printed, and its exit code.
 */
export async function underLimit(
  limit: number,
  module: URL,
  ...args: string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: [
      "-c",
      `ulimit -n ${limit}; exec "$0" run -A --quiet --no-check "$@"`,
      Deno.execPath(),
      ...importMap(),
      module.href,
      ...args,
    ],
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return {
    code,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
}

/** What this process imports, the other imports from the same place. */
function importMap(): string[] {
  const offline = new URL("../offline/", import.meta.url).href;
  return import.meta.resolve("@std/assert").startsWith(offline)
    ? [`--import-map=${offline}import_map.json`]
    : [];
}
