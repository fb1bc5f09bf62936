import type { KvsClient } from "../client.ts";
import type { EngineName, KvsEngine } from "../engine/engine.ts";
import { parseAddr } from "../protocol/addr.ts";
import type { TlsOptions } from "../protocol/dial.ts";
import type { ParsedArgs } from "./_args.ts";
import { UsageError } from "./_errors.ts";
import { readFile, readToken } from "./_secrets.ts";

/** Where a server listens, and where clients look for it. */
export const DEFAULT_ADDR = "127.0.0.1:4000";

/** The flags that say which store a command is for. */
export const TARGET_FLAGS = {
  addr: undefined,
  dir: undefined,
  "auth-file": undefined,
  ca: undefined,
};

/** Those of them without a value. */
export const TARGET_SWITCHES = ["tls"];

/** How `--help` describes {@linkcode TARGET_FLAGS}. */
export const TARGET_HELP =
  `  --addr HOST:PORT  the server to ask (default ${DEFAULT_ADDR})
  --auth-file FILE  the file with the token that the server asks for (default:
                    the environment variable KVS_TOKEN, if it is set)
  --tls             speak TLS with the server
  --ca FILE         speak TLS, and trust this certificate too
  --dir DIR         the data directory itself, without a server
`;

/** What a command needs of a store, be it behind a server or on disk. */
export type Target =
  & Pick<KvsEngine, "get" | "set" | "remove" | "compact" | "close">
  & (
    | Pick<KvsEngine, "name" | "scan" | "write" | "sync" | "stats">
    | Pick<KvsClient, "scanPage" | "stats">
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
  const target = await openTarget(args, create);
  try {
    return await use(target);
  } finally {
    await target.close();
  }
}

async function openTarget(args: ParsedArgs, create: boolean): Promise<Target> {
  const dir = args.value("dir");
  const addr = args.value("addr");
  if (dir !== undefined && addr !== undefined) {
    throw new UsageError("--addr and --dir exclude each other");
  }
  if (dir !== undefined) {
    const { openEngine } = await import("../engine/open.ts");
    return await openEngine(dir, { create });
  }
  const checked = checkedAddr(addr ?? DEFAULT_ADDR);
  const token = readToken(args.value("auth-file"));
  const tls = readTls(args);
  const { KvsClient } = await import("../client.ts");
  return await KvsClient.connect(checked, { token, tls });
}

function readTls(args: ParsedArgs): TlsOptions | undefined {
  const caFile = args.value("ca");
  if (caFile === undefined) return args.has("tls") ? {} : undefined;
  return { caCerts: [readFile("ca", caFile)] };
}

/**
 * Checks an address, so that a wrong one is wrong usage.
 *
 * @param text The address, as `HOST:PORT`.
 * @returns The same.
 * @throws {UsageError} If it is none.
 */
export function checkedAddr(text: string): string {
  try {
    parseAddr(text);
    return text;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : text);
  }
}

/** Reads the name of an engine. */
export function parseEngine(text: string | undefined): EngineName | undefined {
  if (text === undefined || text === "kvs" || text === "level") return text;
  throw new UsageError(`Unknown engine "${text}"; expected kvs or level`);
}
