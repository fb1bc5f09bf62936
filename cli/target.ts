import type { KvsClient } from "../client.ts";
import type { LockedError } from "../engine/errors.ts";
import type { EngineName, KvsEngine } from "../engine/engine.ts";
import type { ReadOnlyStore } from "../engine/kvs/store/read_only_store.ts";
import { parseAddr } from "../client/addr.ts";
import type { TlsOptions } from "../client/dial.ts";
import { MAX_TIMEOUT_MS } from "../client/client_options.ts";
import type { ParsedArgs } from "./args.ts";
import { readVariable } from "./environment.ts";
import { UsageError } from "./errors.ts";
import { readCertificates, readToken } from "./secrets.ts";

/** Where a server listens, and where clients look for it. */
export const DEFAULT_ADDR = "127.0.0.1:4000";

/** Names the server where no flag does. */
const ADDR_VARIABLE = "KVS_ADDR";

const DEFAULT_TIMEOUT_S = 30;

/** The flags that say which store a command is for. */
export const TARGET_FLAGS = {
  addr: undefined,
  dir: undefined,
  "auth-file": undefined,
  ca: undefined,
  timeout: undefined,
};

/** Those of them without a value. */
export const TARGET_SWITCHES = ["tls"];

/** How `--help` describes {@linkcode TARGET_FLAGS}. */
export const TARGET_HELP =
  `  --addr HOST:PORT  the server to ask (default: the environment variable
                    ${ADDR_VARIABLE}, or else ${DEFAULT_ADDR})
  --auth-file FILE  the file with the token that the server asks for (default:
                    the environment variable KVS_TOKEN, if it is set)
  --tls             speak TLS with the server
  --ca FILE         speak TLS, and trust this certificate too
  --timeout S       seconds to wait for the server while nothing comes of it
                    (default ${DEFAULT_TIMEOUT_S}; 0: for ever)
  --dir DIR         the data directory itself, without a server
`;

/** The switches of a command that only reads. */
export const SOURCE_SWITCHES = [...TARGET_SWITCHES, "read-only"];

/** How `--help` describes the flags of a command that only reads. */
export const SOURCE_HELP =
  `${TARGET_HELP}  --read-only       beside a server that has DIR open: what was there when the
                    command began, and nothing that is written later. Writes
                    nothing; reads the whole index first; engine kvs only
`;

/** What a command that only reads needs of a store. */
export type Source =
  & Pick<KvsEngine, "get" | "close">
  & (
    | Pick<KvsEngine, "scan" | "getBytes">
      & Pick<KvsEngine | ReadOnlyStore, "stats">
    | Pick<KvsClient, "scanPage" | "snapshot" | "stats">
  );

/** What a command needs of a store, be it behind a server or on disk. */
export type Target =
  & Pick<KvsEngine, "get" | "set" | "remove" | "close">
  & (
    | Pick<
      KvsEngine,
      "name" | "scan" | "getBytes" | "write" | "sync" | "compact" | "stats"
    >
    | Pick<KvsClient, "scanPage" | "snapshot" | "compact" | "stats">
  );

/**
 * Opens the store that the arguments name, runs something on it, closes it.
 *
 * @param args The parsed arguments.
 * @param use What to run.
 * @param create Whether the data directory may be a new one.
 * @returns What `use` returned.
 */
export async function withTarget<T>(
  args: ParsedArgs,
  use: (target: Target) => Promise<T>,
  create = false,
): Promise<T> {
  return await closing(await openTarget(args, { create }), use);
}

/**
 * Does as {@linkcode withTarget} for a command that only reads.
 *
 * @param args The parsed arguments.
 * @param use What to run.
 * @returns What `use` returned.
 */
export async function withSource<T>(
  args: ParsedArgs,
  use: (source: Source) => Promise<T>,
): Promise<T> {
  return await closing(await openSource(args), use);
}

async function closing<S extends Pick<KvsEngine, "close">, T>(
  store: S,
  use: (store: S) => Promise<T>,
): Promise<T> {
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

async function openSource(args: ParsedArgs): Promise<Source> {
  const dir = args.value("dir");
  parseTimeout(args.value("timeout"));
  if (!args.has("read-only")) {
    try {
      return await openTarget(args, { isSource: true });
    } catch (error) {
      const { findStore, isReadOnlyFileSystem } = await import(
        "../engine/directory.ts"
      );
      if (
        dir === undefined || !isReadOnlyFileSystem(error) ||
        findStore(dir).engine !== "kvs"
      ) throw error;
    }
  } else if (dir === undefined) {
    throw new UsageError("--read-only needs --dir");
  } else if (args.value("addr") !== undefined) throw bothGiven();
  const { ReadOnlyStore } = await import(
    "../engine/kvs/store/read_only_store.ts"
  );
  return ReadOnlyStore.open(dir);
}

function bothGiven(): UsageError {
  return new UsageError("--addr and --dir exclude each other");
}

async function openTarget(
  args: ParsedArgs,
  { create = false, isSource = false },
): Promise<Target> {
  const dir = args.value("dir");
  const addr = args.value("addr");
  const timeoutMs = parseTimeout(args.value("timeout"));
  if (dir !== undefined && addr !== undefined) throw bothGiven();
  if (dir !== undefined) {
    const { openEngine } = await import("../engine/open.ts");
    try {
      return await openEngine(dir, { create });
    } catch (error) {
      const { LockedError } = await import("../engine/errors.ts");
      if (!(error instanceof LockedError)) throw error;
      const { findStore } = await import("../engine/directory.ts");
      throw withHint(error, isSource && findStore(dir).engine === "kvs");
    }
  }
  const checked = addr === undefined ? defaultAddr() : checkedAddr(addr);
  const token = readToken(args.value("auth-file"));
  const tls = readTls(args);
  const { KvsClient } = await import("../client.ts");
  return await KvsClient.connect(checked, {
    token,
    tls,
    timeoutMs,
    connectTimeoutMs: timeoutMs || MAX_TIMEOUT_MS,
  });
}

function defaultAddr(): string {
  const text = readVariable(ADDR_VARIABLE);
  return text ? checkedAddr(text, `${ADDR_VARIABLE}: `) : DEFAULT_ADDR;
}

/** Reads the value of `--timeout`, in milliseconds. */
function parseTimeout(text = String(DEFAULT_TIMEOUT_S)): number {
  const seconds = Number(text);
  const most = Math.floor(MAX_TIMEOUT_MS / 1000);
  if (/^[0-9]+(\.[0-9]+)?$/.test(text) && seconds <= most) {
    return Math.ceil(seconds * 1000);
  }
  throw new UsageError(
    `--timeout must be a number of seconds from 0 to ${most}, found "${text}"`,
  );
}

/** Says how a store can be used that a server has open. */
function withHint(error: LockedError, isReadable: boolean): Error {
  const ways = [];
  if (error.addr !== undefined) ways.push(`--addr ${error.addr}`);
  if (isReadable) ways.push("--read-only for reading");
  if (ways.length === 0) return error;
  return new Error(`${error.message}; use ${ways.join(", or ")}`, {
    cause: error,
  });
}

function readTls(args: ParsedArgs): TlsOptions | undefined {
  const caFile = args.value("ca");
  if (caFile === undefined) return args.has("tls") ? {} : undefined;
  return { caCerts: [readCertificates("ca", caFile)] };
}

/**
 * Checks an address, so that a wrong one is wrong usage.
 *
 * @param text The address, as `HOST:PORT`.
 * @param from What to say of where it comes from, in front of the error.
 * @returns The same.
 * @throws {UsageError} If it is none.
 */
export function checkedAddr(text: string, from = ""): string {
  try {
    parseAddr(text);
    return text;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UsageError(`${from}${error.message}`);
  }
}

/** Reads the name of an engine. */
export function parseEngine(text: string | undefined): EngineName | undefined {
  if (text === undefined || text === "kvs" || text === "level") return text;
  throw new UsageError(`Unknown engine "${text}"; expected kvs or level`);
}
