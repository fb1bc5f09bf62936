import { DataDirectory, ENGINE_NAMES } from "../../engine/directory.ts";
import type { SyncMode } from "../../engine/engine.ts";
import { describeDamage } from "../../engine/kvs/log/segment.ts";
import { openEngineIn } from "../../engine/open.ts";
import { checkSize, type StoreSize } from "../../engine/kvs/store/handle.ts";
import {
  type Log,
  LOG_FORMATS,
  LOG_LEVELS,
  makeLog,
} from "../../monitor/log.ts";
import { checkReachWithoutToken } from "../../net/auth.ts";
import { SOCKET_CHOICES } from "../../net/listen.ts";
import { MAX_THREADS, POOL_STRATEGIES } from "../../pool/pool.ts";
import { isLoopback, parseAddr } from "../../addr.ts";
import { KvsServer } from "../../server.ts";
import { VERSION } from "../../version.ts";
import type { Command, Flags, FlagValues } from "../command.ts";
import { explain, UsageError } from "../errors.ts";
import { asUsage, checkAddr, parseBytes } from "../flag_values.ts";
import { readFile, readToken } from "../inputs.ts";
import { LIMIT_FLAGS, readLimits } from "../limits.ts";
import { complain } from "../output.ts";
import { DEFAULT_ADDR } from "../target_flags.ts";

const SYNC_MODES: readonly SyncMode[] = ["always", "everysec", "no"];

const FLAGS = {
  addr: {
    argument: "HOST:PORT",
    help: "where to listen",
    default: DEFAULT_ADDR,
    parse: (text: string) => checkAddr(text),
  },
  dir: {
    argument: "DIR",
    help: "the data directory, created if it does not exist",
    default: "./data",
  },
  engine: {
    argument: "ENGINE",
    noun: "engine",
    help: "the storage engine",
    choices: ENGINE_NAMES,
    whenAbsent: "that of the directory, kvs for a new one",
  },
  pool: {
    argument: "POOL",
    noun: "pool",
    help: "how Workers share the connections",
    choices: POOL_STRATEGIES,
    whenAbsent: POOL_STRATEGIES[0],
  },
  sockets: {
    argument: "SOCKETS",
    noun: "sockets",
    help:
      "the C library's (native), which need Linux and --allow-ffi, Deno's (deno), or native where possible (auto)",
    choices: SOCKET_CHOICES,
    default: SOCKET_CHOICES[0],
  },
  threads: {
    argument: "N",
    help: "the number of Workers",
    whenAbsent: "one per core",
    parse: parseThreads,
  },
  sync: {
    argument: "MODE",
    noun: "sync mode",
    help: "when an acknowledged write is on disk",
    choices: SYNC_MODES,
    default: SYNC_MODES[0],
  },
  metrics: {
    argument: "HOST:PORT",
    help:
      "where to serve /metrics for Prometheus over HTTP, without token and TLS since it holds no keys or values",
    whenAbsent: "nowhere",
    parse: (text: string) => checkAddr(text),
  },
  "index-size": size(
    "indexBytes",
    "memory the index may use, such as 512M or 2G",
    "a quarter of the machine's or cgroup's, 16G at most",
  ),
  "cache-size": size(
    "cacheBytes",
    "memory for each Worker's cache of the log",
    "32M",
  ),
  "segment-size": size(
    "segmentBytes",
    "the size at which a file of the log is full",
    "32M",
  ),
  "compact-at": size(
    "compactAtBytes",
    "how much must be reclaimable for compaction to start by itself",
    "32M",
  ),
  "auth-file": {
    argument: "FILE",
    help: "the file with the token that clients must show first",
    whenAbsent: "the environment variable KVS_TOKEN, if it is set",
  },
  "tls-cert": {
    argument: "FILE",
    help: "the certificate (PEM) to speak TLS with",
  },
  "tls-key": { argument: "FILE", help: "its key (PEM)" },
  log: {
    argument: "LOG",
    help: "the format of log lines, on standard error",
    choices: LOG_FORMATS,
    default: LOG_FORMATS[0],
  },
  "log-level": {
    argument: "LEVEL",
    help: "the lowest level to log",
    choices: LOG_LEVELS,
    default: LOG_LEVELS[0],
  },
  ...LIMIT_FLAGS,
} satisfies Flags;

type ServeFlags = FlagValues<typeof FLAGS>;

/** `kvs serve`. */
export const serve: Command<typeof FLAGS> = {
  description: "Serves a data directory over TCP until SIGINT or SIGTERM.",
  flags: FLAGS,
  examples: [
    "kvs serve",
    "kvs serve --addr 127.0.0.1:4001 --dir /var/lib/kvs --sync everysec",
  ],
  async run(flags) {
    const { log: format, "log-level": level } = flags;
    const log = makeLog({ format, level, write: complain });
    try {
      return await serveUntilSignal(flags, log);
    } catch (error) {
      if (format === "text" || error instanceof UsageError) throw error;
      // Programs that read the log find every line in its format.
      log("error", explain(error));
      return 1;
    }
  },
};

async function serveUntilSignal(flags: ServeFlags, log: Log): Promise<number> {
  const { addr, metrics, sync, threads, pool, sockets } = flags;
  const token = readToken(flags["auth-file"], log);
  const tls = readCertificate(flags);
  if (token === undefined) checkReachWithoutToken(addr);
  const limits = readLimits(flags);
  log("info", `kvs ${VERSION}`, { version: VERSION });
  using directory = DataDirectory.open(flags.dir, {
    engine: flags.engine,
    create: true,
  });
  log("info", `Engine ${directory.engine}, sync ${sync}`, {
    engine: directory.engine,
    sync,
  });
  log("info", `Data directory ${directory.path}`, { dir: directory.path });
  const engine = await openEngineIn(directory, {
    sync,
    onFailure: ({ message }) => log("error", message),
    kvs: {
      indexBytes: flags["index-size"],
      cacheBytes: flags["cache-size"],
      segmentBytes: flags["segment-size"],
      compactAtBytes: flags["compact-at"],
      onDamage: (damage) => log("warn", describeDamage(damage), { ...damage }),
    },
  });
  const stopped = untilSignal();
  const server = await KvsServer.start(engine, {
    addr,
    token,
    tls,
    threads,
    pool,
    sockets,
    limits,
    metrics,
    log,
  });
  directory.setAddress(server.addr);
  log("info", `Listening on ${server.addr}`, { addr: server.addr });
  if (server.metricsAddr !== undefined) {
    log("info", `Metrics on http://${server.metricsAddr}/metrics`, {
      metrics: server.metricsAddr,
    });
    if (!isLoopback(parseAddr(server.metricsAddr).hostname)) {
      log("warn", "Metrics can be read by anyone who can connect to them");
    }
  }
  if (tls === undefined && !isLoopback(parseAddr(addr).hostname)) {
    log(
      "warn",
      "Without TLS, token and data can be read on the network: see --tls-cert",
    );
  }
  try {
    const signalled = stopped.then((signal) =>
      log("info", `${signal}: stopping`, { signal })
    );
    await Promise.race([signalled, server.finished]);
  } finally {
    await server.stop();
  }
  // Not if the server failed to start or stop: Workers may still use the
  // engine, and it may be open when the process ends.
  await engine.close();
  log("info", "Stopped");
  return 0;
}

/** The signal that ends the server; a second one ends the process at once. */
function untilSignal(): Promise<Deno.Signal> {
  return new Promise((resolve) => {
    let asked = false;
    const signals: Deno.Signal[] = Deno.build.os === "windows"
      ? ["SIGINT", "SIGBREAK"]
      : ["SIGINT", "SIGTERM"];
    for (const signal of signals) {
      Deno.addSignalListener(signal, () => {
        if (asked) Deno.exit(130);
        asked = true;
        resolve(signal);
      });
    }
  });
}

function readCertificate(
  { "tls-cert": cert, "tls-key": key }: ServeFlags,
): Deno.TlsCertifiedKeyPem | undefined {
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) {
    throw new UsageError("--tls-cert and --tls-key need each other");
  }
  return { cert: readFile("tls-cert", cert), key: readFile("tls-key", key) };
}

/** A flag for a size, which is checked before a directory is made. */
function size(name: StoreSize, help: string, whenAbsent: string) {
  return {
    argument: "SIZE",
    help,
    whenAbsent,
    parse(text: string, flag: string) {
      const bytes = parseBytes(text, flag);
      asUsage(RangeError, () => checkSize(name, bytes, `--${flag}`));
      return bytes;
    },
  };
}

function parseThreads(text: string): number {
  const threads = Number(text);
  if (/^[0-9]+$/.test(text) && threads >= 1 && threads <= MAX_THREADS) {
    return threads;
  }
  throw new UsageError(
    `--threads must be from 1 to ${MAX_THREADS}, found "${text}"`,
  );
}
