import { MAX_TIMEOUT_MS } from "../client/options.ts";
import type { TlsOptions } from "../client/dial.ts";
import type { Flags, FlagValues } from "./command.ts";
import { UsageError } from "./errors.ts";
import { checkAddr } from "./flag_values.ts";
import { readCertificates, readToken, readVariable } from "./inputs.ts";
import type { Source, Target } from "./target.ts";

/** Where a server listens, and where clients look for it. */
export const DEFAULT_ADDR = "127.0.0.1:4000";

const ADDR_VARIABLE = "KVS_ADDR";

/** The flags that say which store a command is for. */
export const TARGET_FLAGS = {
  addr: {
    argument: "HOST:PORT",
    help: "the server to use",
    whenAbsent:
      `the environment variable ${ADDR_VARIABLE}, or else ${DEFAULT_ADDR}`,
    parse: (text: string) => checkAddr(text),
  },
  "auth-file": {
    argument: "FILE",
    help: "the file with the token that the server requires",
    whenAbsent: "the environment variable KVS_TOKEN, if it is set",
  },
  tls: { help: "connect to the server with TLS" },
  ca: {
    argument: "FILE",
    help: "connect with TLS, and trust this certificate too",
  },
  timeout: {
    argument: "S",
    help: "seconds without data from the server before giving up; 0 for never",
    default: "30",
    parse: parseTimeout,
  },
  dir: {
    argument: "DIR",
    help: "the data directory itself, without a server",
  },
} satisfies Flags;

/** The flags of a command that only reads. */
export const SOURCE_FLAGS = {
  ...TARGET_FLAGS,
  "read-only": {
    help:
      "read DIR even if a server has it open: what was there when the command began, and nothing that is written later. Writes nothing; reads the whole index first; engine kvs only",
  },
} satisfies Flags;

type TargetFlags = FlagValues<typeof TARGET_FLAGS>;

/** Options of {@linkcode withTarget}. */
interface TargetOptions {
  /** Whether to create a missing data directory. */
  readonly create?: boolean;
}

/** Opens the store that the flags name, and closes it after its use. */
export async function withTarget<T>(
  flags: TargetFlags,
  use: (target: Target) => Promise<T>,
  { create = false }: TargetOptions = {},
): Promise<T> {
  const { dir } = checked(flags);
  if (dir === undefined) return await closing(await connect(flags), use);
  const { openDirectory } = await import("./directory_target.ts");
  return await closing(await openDirectory(dir, { create }), use);
}

/** Does as {@linkcode withTarget} for a command that only reads. */
export async function withSource<T>(
  flags: FlagValues<typeof SOURCE_FLAGS>,
  use: (source: Source) => Promise<T>,
): Promise<T> {
  const { dir } = checked(flags);
  const readOnly = flags["read-only"];
  if (dir === undefined) {
    if (readOnly) throw new UsageError("--read-only needs --dir");
    return await closing(await connect(flags), use);
  }
  const { openDirectoryToRead } = await import("./directory_target.ts");
  return await closing(await openDirectoryToRead(dir, { readOnly }), use);
}

async function closing<S extends Source, T>(
  store: S,
  use: (store: S) => Promise<T>,
): Promise<T> {
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

function checked(flags: TargetFlags): TargetFlags {
  if (flags.dir === undefined || flags.addr === undefined) return flags;
  throw new UsageError("--addr and --dir exclude each other");
}

async function connect(flags: TargetFlags): Promise<Target> {
  const addr = flags.addr ?? defaultAddr();
  const token = readToken(flags["auth-file"]);
  const tls = readTls(flags);
  const timeoutMs = flags.timeout;
  const { ServerTarget } = await import("./server_target.ts");
  return await ServerTarget.connect(addr, {
    token,
    tls,
    timeoutMs,
    connectTimeoutMs: timeoutMs || MAX_TIMEOUT_MS,
  });
}

function defaultAddr(): string {
  const text = readVariable(ADDR_VARIABLE);
  return text ? checkAddr(text, `${ADDR_VARIABLE}: `) : DEFAULT_ADDR;
}

function readTls({ ca, tls }: TargetFlags): TlsOptions | undefined {
  if (ca !== undefined) return { caCerts: [readCertificates("ca", ca)] };
  return tls ? {} : undefined;
}

/** Reads seconds; returns milliseconds. */
function parseTimeout(text: string): number {
  const seconds = Number(text);
  const most = Math.floor(MAX_TIMEOUT_MS / 1000);
  if (/^[0-9]+(\.[0-9]+)?$/.test(text) && seconds <= most) {
    return Math.ceil(seconds * 1000);
  }
  throw new UsageError(
    `--timeout must be a number of seconds from 0 to ${most}, found "${text}"`,
  );
}
