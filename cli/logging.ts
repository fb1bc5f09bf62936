import { type Log, LOG_FORMATS, LOG_LEVELS, makeLog } from "../monitor/log.ts";
import type { ParsedArgs } from "./args.ts";
import { explain, UsageError } from "./errors.ts";
import { complain } from "./output.ts";

/** The flags that say how to log, and what. */
export const LOG_FLAGS = { log: "text", "log-level": "info" };

/** How `--help` describes {@linkcode LOG_FLAGS}. */
export const LOG_HELP =
  `  --log LOG          lines as text (default) or json, on standard error
  --log-level LEVEL  the least that is logged: info (default), warn or error
`;

/**
 * Runs something with a log as the arguments ask for. Where programs read the
 * log, what ends the command is a line of it like all others.
 *
 * @param args The parsed arguments.
 * @param run What to run.
 * @returns What it returns, or the exit code 1 if it threw and that was logged.
 * @throws {UsageError} If a flag has another value.
 */
export async function withLog(
  args: ParsedArgs,
  run: (log: Log) => Promise<number>,
): Promise<number> {
  const format = chosen(args, "log", LOG_FORMATS);
  const level = chosen(args, "log-level", LOG_LEVELS);
  const log = makeLog({ format, level, write: complain });
  try {
    return await run(log);
  } catch (error) {
    if (format === "text" || error instanceof UsageError) throw error;
    log("error", explain(error));
    return 1;
  }
}

function chosen<T extends string>(
  args: ParsedArgs,
  flag: keyof typeof LOG_FLAGS,
  choices: readonly T[],
): T {
  const text = args.value(flag);
  const found = choices.find((choice) => choice === text);
  if (found !== undefined) return found;
  throw new UsageError(
    `--${flag} must be one of ${choices.join(", ")}, found "${text}"`,
  );
}
