import { DataDirectory } from "../../engine/directory.ts";
import type { SyncMode } from "../../engine/engine.ts";
import { describeDamage } from "../../engine/kvs/log/segment.ts";
import { openEngineIn } from "../../engine/open.ts";
import { checkSize, type StoreSize } from "../../engine/options.ts";
import type { Log } from "../../monitor/log.ts";
import { checkReachWithoutToken } from "../../net/access.ts";
import {
  MAX_THREADS,
  POOL_STRATEGIES,
  type PoolStrategy,
} from "../../pool/pool.ts";
import { isLoopback, parseAddr } from "../../client/addr.ts";
import { KvsServer } from "../../server.ts";
import { VERSION } from "../../version.ts";
import { parseCommandArgs, type ParsedArgs } from "../args.ts";
import { parseBytes } from "../bytes.ts";
import type { Command } from "../command.ts";
import { UsageError } from "../errors.ts";
import { LIMIT_FLAGS, LIMITS_HELP, readLimits } from "../limits.ts";
import { LOG_FLAGS, LOG_HELP, withLog } from "../logging.ts";
import { readFile, readToken } from "../secrets.ts";
import { checkedAddr, DEFAULT_ADDR, parseEngine } from "../target.ts";

/** `kvs serve`. */
export const serve: Command = {
  help: `Serves a data directory over TCP until SIGINT or SIGTERM.

Usage: kvs serve [OPTIONS]

Options:
  --addr HOST:PORT   where to listen (default ${DEFAULT_ADDR})
  --dir DIR          the data directory, made if need be (default ./data)
  --engine ENGINE    kvs or level (default: the directory's own; kvs for a new one)
  --pool POOL        reuse-port (default), shared-queue, work-stealing or naive
  --threads N        Workers to use (default: one per core)
  --sync MODE        when an answered write is on disk: always (default),
                     everysec or no
  --metrics HOST:PORT  where to serve /metrics for Prometheus over HTTP: to
                     whoever reaches it, without token and TLS, for it has no
                     keys or values in it (default: nowhere)
  --index-size SIZE  memory the index may use, such as 512M or 2G (default: a
                     quarter of the machine's or cgroup's, 16G at most)
  --cache-size SIZE  memory for each Worker's cache of the log (default 32M)
  --segment-size SIZE  when to begin a new file of the log (default 32M)
  --compact-at SIZE  start compaction by itself when so much can be reclaimed
                     (default 32M)
  --auth-file FILE   the file with the token that clients must show first
                     (default: the environment variable KVS_TOKEN, if it is set)
  --tls-cert FILE    the certificate (PEM) to speak TLS with
  --tls-key FILE     its key (PEM)
${LOG_HELP}  -h, --help         show this help
${LIMITS_HELP}
Examples:
  kvs serve
  kvs serve --addr 127.0.0.1:4001 --dir /var/lib/kvs --sync everysec
`,
  run(args) {
    const parsed = parseCommandArgs(args, {
      values: {
        addr: DEFAULT_ADDR,
        dir: "./data",
        engine: undefined,
        pool: undefined,
        threads: undefined,
        sync: "always",
        metrics: undefined,
        "index-size": undefined,
        "cache-size": undefined,
        "segment-size": undefined,
        "compact-at": undefined,
        "auth-file": undefined,
        "tls-cert": undefined,
        "tls-key": undefined,
        ...LOG_FLAGS,
        ...LIMIT_FLAGS,
      },
    }, []);
    return withLog(parsed, (log) => serveUntilSignal(parsed, log));
  },
};

async function serveUntilSignal(args: ParsedArgs, log: Log): Promise<number> {
  const addr = checkedAddr(args.value("addr")!);
  const metricsAddr = args.value("metrics");
  const metrics = metricsAddr && checkedAddr(metricsAddr);
  const token = readToken(args.value("auth-file"), log);
  const tls = readCertificate(args);
  if (token === undefined) checkReachWithoutToken(addr);
  const limits = readLimits(args);
  const engineName = parseEngine(args.value("engine"));
  const sync = parseSync(args.value("sync")!);
  const threads = parseThreads(args.value("threads"));
  const pool = parsePool(args.value("pool"));
  const kvs = {
    indexBytes: parseSize(args, "index-size", "indexBytes"),
    cacheBytes: parseSize(args, "cache-size", "cacheBytes"),
    segmentBytes: parseSize(args, "segment-size", "segmentBytes"),
    compactAtBytes: parseSize(args, "compact-at", "compactAtBytes"),
  };
  log("info", `kvs ${VERSION}`, { version: VERSION });
  using directory = DataDirectory.open(args.value("dir")!, {
    engine: engineName,
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
      ...kvs,
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
      log("warn", "Metrics can be read by whoever reaches them");
    }
  }
  if (tls === undefined && !isLoopback(parseAddr(addr).hostname)) {
    log(
      "warn",
      "Without TLS, token and data can be read on their way: see --tls-cert",
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
  // Not if the server did not start or stop as it should: Workers may use
  // the engine yet, and it bears being left open when the process ends.
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
  args: ParsedArgs,
): Deno.TlsCertifiedKeyPem | undefined {
  const cert = args.value("tls-cert");
  const key = args.value("tls-key");
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) {
    throw new UsageError("--tls-cert and --tls-key need each other");
  }
  return { cert: readFile("tls-cert", cert), key: readFile("tls-key", key) };
}

/** Reads a size, and checks it before a directory is made. */
function parseSize(
  args: ParsedArgs,
  flag: string,
  name: StoreSize,
): number | undefined {
  const size = parseBytes(flag, args.value(flag));
  try {
    checkSize(name, size, `--${flag}`);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(error.message);
  }
  return size;
}

function parseSync(text: string): SyncMode {
  if (text === "always" || text === "everysec" || text === "no") return text;
  throw new UsageError(
    `Unknown sync mode "${text}"; expected always, everysec or no`,
  );
}

function parsePool(text: string | undefined): PoolStrategy | undefined {
  const pool = POOL_STRATEGIES.find((strategy) => strategy === text);
  if (pool !== undefined || text === undefined) return pool;
  throw new UsageError(
    `Unknown pool "${text}"; expected one of ${POOL_STRATEGIES.join(", ")}`,
  );
}

function parseThreads(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const threads = Number(text);
  if (/^[0-9]+$/.test(text) && threads >= 1 && threads <= MAX_THREADS) {
    return threads;
  }
  throw new UsageError(
    `--threads must be from 1 to ${MAX_THREADS}, found "${text}"`,
  );
}
