/**
 * Prints the flag that puts the stand-ins of this folder in the place of the
 * `jsr:` packages. Where these can be had it prints the lock file to use, a copy
 * that is not committed: Deno adds the packages to it, whose checksums the
 * committed one does not have. The tasks in deno.json put its output in front of
 * the module that they run.
 *
 * The packages can be had if all of their modules that the project uses are in
 * the cache, or else if their registry answers. A registry that is out of
 * reach often shows it by silence only, so the time for a connection is short.
 *
 * Run it with `--no-config --cached-only`, from the folder of deno.json.
 *
 * @module
 */

import project from "../deno.json" with { type: "json" };
import standIns from "./import_map.json" with { type: "json" };

/** The lock file that is committed, and the copy that Deno may add to. */
const COMMITTED_LOCK = "deno.lock";
const OWN_LOCK = ".deno.lock";

/** How long a connection may take, in milliseconds; a start waits for it. */
const CONNECT_TIMEOUT_MS = 150;

/**
 * The parts in which that time passes. On a busy machine it may be over before
 * this process has run at all; the connection is seen between two parts then.
 */
const CONNECT_TIMEOUT_PARTS = 10;

/** How long a server that has accepted may take to answer, in milliseconds. */
const ANSWER_TIMEOUT_MS = 2_000;

/**
 * Deno names its registry only in the error for a package that is not in its
 * cache, and this one never is.
 */
const UNKNOWN_PACKAGE = "jsr:@kvs/no-such-package@0";

const packages: Readonly<Record<string, string>> = project.imports;

if (import.meta.main) {
  try {
    await assertAvailable();
    console.log(`--lock=${ownLock()}`);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    // Not an error: everything works.
    console.error(`note: running on the stand-ins in offline/ (${reason})`);
    console.log("--import-map=offline/import_map.json");
  }
  // A connection that is still being tried must not hold the start up
  Deno.exit();
}

/** Throws an error that says why the packages can't be had, if they can't. */
async function assertAvailable(): Promise<void> {
  const pins = readPins();
  for (const name of Object.keys(standIns.imports)) {
    const [scope, base, ...path] = name.split("/");
    const range = packages[`${scope}/${base}`];
    if (range === undefined || !range.startsWith("jsr:")) continue;
    const version = pins[range];
    const specifier = version === undefined
      ? range
      : `jsr:${scope}/${base}@${version}`;
    if (await isCached([specifier, ...path].join("/"))) continue;
    const registry = await findRegistry();
    await assertAnswers(new URL(`${scope}/${base}/meta.json`, registry));
    return;
  }
}

/** The versions that the lock file holds the ranges of deno.json at. */
function readPins(): Readonly<Record<string, string>> {
  const path = isUpToDate() ? OWN_LOCK : COMMITTED_LOCK;
  try {
    return JSON.parse(Deno.readTextFileSync(path)).specifiers ?? {};
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return {};
    throw error;
  }
}

/** Makes the copy of the lock file, unless it is there and newer. */
function ownLock(): string {
  if (!isUpToDate()) {
    try {
      Deno.writeTextFileSync(OWN_LOCK, Deno.readTextFileSync(COMMITTED_LOCK));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return OWN_LOCK;
}

function isUpToDate(): boolean {
  return modifiedMs(OWN_LOCK) >= modifiedMs(COMMITTED_LOCK);
}

function modifiedMs(path: string): number {
  try {
    return Deno.statSync(path).mtime?.getTime() ?? 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return -1;
    throw error;
  }
}

async function isCached(specifier: string): Promise<boolean> {
  try {
    await import(specifier);
    return true;
  } catch {
    return false;
  }
}

/** The registry of this Deno: the usual one, or what JSR_URL names. */
async function findRegistry(): Promise<URL> {
  let message = "";
  try {
    await import(UNKNOWN_PACKAGE);
  } catch (error) {
    if (error instanceof Error) message = error.message;
  }
  const found = /"(https?:\/\/[^"]+\/)@kvs\//.exec(message);
  if (found === null) throw new Error("JSR is not known here");
  return new URL(found[1]);
}

/** Throws if a URL does not answer in time, or with a failure. */
async function assertAnswers(url: URL): Promise<void> {
  await assertConnects(url);
  try {
    const response = await fetch(url, {
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
    await response.body?.cancel();
    if (response.ok) return;
    throw new Error(`status ${response.status}`);
  } catch (error) {
    const reason = error instanceof DOMException
      ? `no answer within ${ANSWER_TIMEOUT_MS} ms`
      : error instanceof Error
      ? error.message
      : String(error);
    throw new Error(`${reason} from ${url.host}${url.pathname}`, {
      cause: error,
    });
  }
}

/**
 * Throws if neither the host of a URL nor a proxy can be connected to in time.
 * Which of them `fetch` goes through is its own business.
 */
async function assertConnects(url: URL): Promise<void> {
  const targets = [url, ...findProxies()].map((target) =>
    Deno.connect({ hostname: hostOf(target), port: portOf(target) })
  );
  try {
    const connection = await Promise.race([Promise.any(targets), timeOut()]);
    connection.close();
  } catch {
    throw new Error(`no connection to ${url.host}`);
  }
}

async function timeOut(): Promise<never> {
  for (let part = 0; part < CONNECT_TIMEOUT_PARTS; part++) {
    await new Promise((resolve) =>
      setTimeout(resolve, CONNECT_TIMEOUT_MS / CONNECT_TIMEOUT_PARTS)
    );
  }
  throw new Error(`No connection within ${CONNECT_TIMEOUT_MS} ms`);
}

function findProxies(): URL[] {
  const names = ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"];
  return [...names, ...names.map((name) => name.toLowerCase())]
    .map((name) => URL.parse(Deno.env.get(name) ?? ""))
    .filter((proxy) => proxy !== null);
}

/** The host of a URL as the system's resolver wants it: no brackets. */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, "$1");
}

function portOf(url: URL): number {
  if (url.port !== "") return Number(url.port);
  return url.protocol === "https:" ? 443 : 80;
}
