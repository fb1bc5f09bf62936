/**
 * Prints the flag with which the tasks in deno.json run a module:
 *
 * - where the `jsr:` packages can be had, the lock file to use, a copy that is
 *   not committed, because Deno adds the packages' checksums to it;
 * - elsewhere, the import map that replaces them by the modules of this folder.
 *
 * The packages can be had if all that the project imports is in Deno's cache, or
 * else if their registry answers.
 *
 * Run it with `--no-config --cached-only`, from the folder of deno.json.
 *
 * @module
 */

import project from "../deno.json" with { type: "json" };
import standIns from "./import_map.json" with { type: "json" };

const COMMITTED_LOCK = "deno.lock";
const OWN_LOCK = ".deno.lock";

/** An unreachable registry may be silent, and each start waits for it. */
const TIMEOUT_MS = 1_000;

/**
 * Deno names its registry only in the error for a package that is not in its
 * cache, and this one never is.
 */
const UNKNOWN_PACKAGE = "jsr:@kvs/no-such-package@0";

const packages: Readonly<Record<string, string>> = project.imports;

if (import.meta.main) {
  try {
    const isOwnLockNewer = modifiedMs(OWN_LOCK) >= modifiedMs(COMMITTED_LOCK);
    await assertAvailable(isOwnLockNewer ? OWN_LOCK : COMMITTED_LOCK);
    if (!isOwnLockNewer) Deno.copyFileSync(COMMITTED_LOCK, OWN_LOCK);
    console.log(`--lock=${OWN_LOCK}`);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    // Not an error: everything works.
    console.error(`note: running on the stand-ins in offline/ (${reason})`);
    console.log("--import-map=offline/import_map.json");
  }
}

/** When a file was modified; -1 if it does not exist. */
function modifiedMs(path: string): number {
  try {
    return Deno.statSync(path).mtime?.getTime() ?? 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return -1;
    throw error;
  }
}

/** Throws an error that says why the packages can't be had, if they can't. */
async function assertAvailable(lock: string): Promise<void> {
  const pins: Readonly<Record<string, string>> = modifiedMs(lock) < 0
    ? {}
    : JSON.parse(Deno.readTextFileSync(lock)).specifiers ?? {};
  for (const name of Object.keys(standIns.imports)) {
    const [scope, base, ...path] = name.split("/");
    const range = packages[`${scope}/${base}`];
    if (range === undefined || !range.startsWith("jsr:")) continue;
    const specifier = Object.hasOwn(pins, range)
      ? `jsr:${scope}/${base}@${pins[range]}`
      : range;
    if (await importError([specifier, ...path].join("/")) === undefined) {
      continue;
    }
    return await assertAnswers(`${scope}/${base}/meta.json`);
  }
}

/** Why a module can't be imported from the cache; nothing if it can. */
async function importError(specifier: string): Promise<string | undefined> {
  try {
    await import(specifier);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Throws if the registry, JSR or what JSR_URL names, lacks a file. */
async function assertAnswers(path: string): Promise<void> {
  const message = await importError(UNKNOWN_PACKAGE);
  const registry = /"(https?:\/\/[^"]+\/)@kvs\//.exec(message ?? "")?.[1];
  if (registry === undefined) throw new Error("JSR is not known here");
  const url = new URL(path, registry);
  let response: Response;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (error) {
    const reason = error instanceof DOMException
      ? `no answer within ${TIMEOUT_MS} ms from`
      : "no connection to";
    throw new Error(`${reason} ${url.host}`, { cause: error });
  }
  await response.body?.cancel();
  if (!response.ok) {
    throw new Error(`status ${response.status} from ${url.host}`);
  }
}
