/**
 * Logs: a line for each event that somebody who runs a server wants to know.
 *
 * @module
 */

import { report } from "../engine/report.ts";

/** How much an event matters. */
export type LogLevel = "info" | "warn" | "error";

/** How much an event may matter, from least to most. */
export const LOG_LEVELS: readonly LogLevel[] = ["info", "warn", "error"];

/** How lines are spelled. */
export const LOG_FORMATS = ["text", "json"] as const;

/** How lines are spelled: for people, or an object each for programs. */
export type LogFormat = (typeof LOG_FORMATS)[number];

/** What programs need not pick out of a message; no secrets, keys or values. */
export type LogFields = Readonly<Record<string, string | number>>;

/**
 * Logs an event that an operator of a server wants to know.
 *
 * @param level How much it matters.
 * @param message All that there is to say, for people.
 * @param fields The same for programs, as far as they may want it.
 */
export type Log = (
  level: LogLevel,
  message: string,
  fields?: LogFields,
) => void;

/** Options of {@linkcode makeLog}. */
export interface LogOptions {
  /**
   * How lines are spelled.
   *
   * @default {"text"}
   */
  readonly format?: LogFormat;
  /**
   * What matters less is left out.
   *
   * @default {"info"}
   */
  readonly level?: LogLevel;
  /**
   * Takes the lines, without their newlines.
   *
   * @default standard error
   */
  readonly write?: (line: string) => void;
}

/** Would begin another line, or make a terminal do things. */
// deno-lint-ignore no-control-regex
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]+/g;

/**
 * Makes a log.
 *
 * @param options How to spell lines, and which.
 * @returns The log.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 *
 * let line = "";
 * const log = makeLog({ write: (text) => line = text });
 * log("warn", "Disk is nearly full");
 * assert(line.endsWith("Z WARN  Disk is nearly full"));
 * ```
 */
export function makeLog({
  format = "text",
  level: least = "info",
  write = report,
}: LogOptions = {}): Log {
  return (level, message, fields = {}) => {
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(least)) return;
    const time = new Date().toISOString();
    write(
      format === "json"
        ? JSON.stringify({ time, level, message, ...fields })
        : `${time} ${level.toUpperCase().padEnd(5)} ${
          message.replaceAll(CONTROLS, " ")
        }`,
    );
  };
}
