import type { Commands } from "./command.ts";

/** Loaded on demand: `kvs get` should not wait for the server's code. */
export const COMMANDS: Commands = {
  serve: {
    operands: [],
    summary: "serve a data directory over TCP",
    load: async () => (await import("./commands/serve.ts")).serve,
  },
  get: {
    operands: ["KEY…"],
    summary: "print the values of keys",
    load: async () => (await import("./commands/get.ts")).get,
  },
  set: {
    operands: ["KEY", "[VALUE]"],
    summary: "set a key to a value",
    load: async () => (await import("./commands/set.ts")).set,
  },
  rm: {
    operands: ["KEY"],
    summary: "remove a key",
    load: async () => (await import("./commands/rm.ts")).rm,
  },
  scan: {
    operands: [],
    summary: "print keys and values in the order of the keys",
    load: async () => (await import("./commands/scan.ts")).scan,
  },
  export: {
    operands: [],
    summary: "print all pairs as JSON lines",
    load: async () => (await import("./commands/export.ts")).exportPairs,
  },
  import: {
    operands: ["[FILE]"],
    summary: "set the pairs in a file or on standard input",
    load: async () => (await import("./commands/import.ts")).importPairs,
  },
  compact: {
    operands: [],
    summary: "reclaim the disk space of old values",
    load: async () => (await import("./commands/compact.ts")).compact,
  },
  stats: {
    operands: [],
    summary: "show statistics of a server and its store",
    load: async () => (await import("./commands/stats.ts")).stats,
  },
  check: {
    operands: [],
    summary: "verify the files of a data directory",
    load: async () => (await import("./commands/check.ts")).check,
  },
  completions: {
    operands: ["SHELL"],
    summary: "print the completions of a shell",
    load: async () =>
      (await import("./commands/completions.ts")).completions(COMMANDS),
  },
  help: {
    operands: ["[COMMAND]"],
    summary: "show this help, or that of a command",
    load: async () => (await import("./commands/help.ts")).help(COMMANDS),
  },
};
