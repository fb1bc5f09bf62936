/**
 * Making a pool by the name of its strategy.
 *
 * @module
 */

import type { Log } from "../monitor/log.ts";
import { type Access, nativeSocketsMissing } from "../net/listen.ts";
import { JobPool } from "./job_pool.ts";
import { NaiveRunner } from "./naive_runner.ts";
import {
  POOL_STRATEGIES,
  type PoolOptions,
  type PoolStrategy,
  type ThreadPool,
} from "./pool.ts";
import { QueueRunner } from "./queue_runner.ts";
import { ReusePortPool } from "./reuse_port.ts";

/** The pool that works wherever Deno does. */
const FALLBACK: PoolStrategy = "shared-queue";

/**
 * Chooses a pool: the first of all, where it works.
 *
 * @param asked Which one is asked for, if any.
 * @param access Whether TLS is spoken.
 * @param log Told if it is another one than usual.
 * @returns Its strategy.
 * @throws {TypeError} If there is no such pool.
 * @throws {Error} If the one that is asked for does not work here.
 */
export function choosePool(
  asked: PoolStrategy | undefined,
  access: Access,
  log: Log,
): PoolStrategy {
  if (asked !== undefined && !POOL_STRATEGIES.includes(asked)) {
    throw new TypeError(
      `Unknown pool "${asked}"; expected one of ${POOL_STRATEGIES.join(", ")}`,
    );
  }
  const [usual] = POOL_STRATEGIES;
  const strategy = asked ?? usual;
  if (access.sockets === "native") {
    checkNativeSockets(strategy, access);
    return strategy;
  }
  if (strategy !== "reuse-port" || canReusePort(access)) return strategy;
  const canBeNative = access.tls === undefined && access.sockets !== "deno";
  const reason = "Workers cannot share a port without --unstable-net" +
    (canBeNative ? " or --allow-ffi" : "");
  if (asked !== undefined) {
    throw new Error(`Cannot use pool ${asked}: ${reason}`);
  }
  log("warn", `Using pool ${FALLBACK} instead of ${strategy}: ${reason}`, {
    pool: FALLBACK,
  });
  return FALLBACK;
}

/** @throws {Error} If a pool cannot serve on the C library's sockets. */
function checkNativeSockets(strategy: PoolStrategy, access: Access): void {
  const reason = strategy === "reuse-port"
    ? nativeSocketsMissing(access)
    : `pool ${strategy} does not use them`;
  if (reason === undefined) return;
  throw new Error(`Cannot use native sockets: ${reason}`);
}

/**
 * Whether Workers can share a port. To ask Deno for it without the flag would
 * end the process; this is defined with the same flag.
 */
function canReusePort(access: Access): boolean {
  if ("listenDatagram" in Deno) return true;
  return access.sockets !== "deno" &&
    nativeSocketsMissing(access) === undefined;
}

/**
 * Makes a pool that does not listen yet.
 *
 * @param strategy Its strategy.
 * @param options What it needs to serve.
 * @returns The pool.
 */
export function makePool(
  strategy: PoolStrategy,
  options: PoolOptions,
): ThreadPool {
  switch (strategy) {
    case "reuse-port":
      return new ReusePortPool(options);
    case "shared-queue":
      return new JobPool(new QueueRunner(options, false), options);
    case "work-stealing":
      return new JobPool(new QueueRunner(options, true), options);
    case "naive":
      return new JobPool(new NaiveRunner(options), options);
  }
}
