import { assertEquals } from "@std/assert";
import project from "../../deno.json" with { type: "json" };
import { kvs } from "./_kvs.ts";
import { test } from "./_targets.ts";

/** What a user may get wrong, and the line that says so. */
const MISTAKES: readonly [line: string, message: string][] = [
  ["", "A command is missing"],
  ["gte k", 'Unknown command "gte"; did you mean "get"?'],
  ["constructor", 'Unknown command "constructor"'],
  ["ls", 'Unknown command "ls"'],
  ["-x", 'Unknown option "-x"; the options of a command come after it'],
  [
    "--addr a:1 get k",
    'Unknown option "--addr"; the options of a command come after it',
  ],
  ["--verison", 'Unknown option "--verison"; did you mean "--version"?'],
  ["help gte", 'Unknown command "gte"; did you mean "get"?'],
  ["help get set", 'Unexpected operand "set"'],
  ["--help gte", 'Unknown command "gte"; did you mean "get"?'],
  ["completions", "SHELL is missing"],
  ["completions csh", 'Unknown shell "csh"; expected bash, zsh or fish'],
  ["get", "KEY is missing"],
  ["rm", "KEY is missing"],
  ["rm a b", 'Unexpected operand "b"'],
  ["set", "KEY is missing"],
  ["set a", "VALUE is missing"],
  ["set a b --file f", "VALUE and --file exclude each other"],
  ["set a b c", 'Unexpected operand "c"'],
  ["compact a", 'Unexpected operand "a"'],
  ["stats a", 'Unexpected operand "a"'],
  ["check", "--dir DIR is missing"],
  ["get k --jsn", 'Unknown option "--jsn"; did you mean "--json"?'],
  [
    "get k --frobnicate",
    'Unknown option "--frobnicate"; put -- before an operand that begins with -',
  ],
  [
    "get -k",
    'Unknown option "-k"; put -- before an operand that begins with -',
  ],
  [
    "set k v --json",
    'Unknown option "--json"; put -- before an operand that begins with -',
  ],
  ["get k --json=0", '--json takes no value, found "0"'],
  ["get k --json --json", "--json is given twice"],
  ["get k --dir a --dir b", "--dir is given twice"],
  ["get k --dir", "--dir needs a value"],
  ["get k --dir=", "--dir needs a value"],
  [
    "get k --dir --json",
    "--dir needs a value; one that begins with - is written --dir=--json",
  ],
  ["get k --addr a:1 --dir b", "--addr and --dir exclude each other"],
  [
    "get k --addr a:1 --dir b --read-only",
    "--addr and --dir exclude each other",
  ],
  ["get k --read-only", "--read-only needs --dir"],
  [
    "get k --addr localhost",
    'Invalid address "localhost": expected HOST:PORT, as in 127.0.0.1:4000',
  ],
  [
    "get k --addr tcp://127.0.0.1:4000",
    'Invalid address "tcp://127.0.0.1:4000": expected HOST:PORT, as in 127.0.0.1:4000, without tcp://',
  ],
  [
    "get k --addr ::1:4000",
    'Invalid address "::1:4000": an IPv6 address needs brackets, as in [::1]:4000',
  ],
  [
    "get k --addr localhost:http",
    'Invalid address "localhost:http": port must be a number from 0 to 65535, found "http"',
  ],
  [
    "get k --timeout 1m",
    '--timeout must be a number of seconds from 0 to 2147483, found "1m"',
  ],
  [
    "get k --timeout -1",
    '--timeout must be a number of seconds from 0 to 2147483, found "-1"',
  ],
  [
    "scan --limit -1",
    '--limit must be a whole number from 1, found "-1"',
  ],
  ["import --format csv", 'Unknown format "csv"; expected json or tab'],
  ["serve a", 'Unexpected operand "a"'],
  ["serve --sinc no", 'Unknown option "--sinc"; did you mean "--sync"?'],
  ["serve --engine sled", 'Unknown engine "sled"; expected kvs or level'],
  [
    "serve --pool rayon",
    'Unknown pool "rayon"; expected one of reuse-port, shared-queue, work-stealing, naive',
  ],
  [
    "serve --index-size 1K",
    "Option --index-size must be a whole number of bytes from 262144 to 17179869184, found 1024",
  ],
  [
    "serve --segment-size 2G",
    "Option --segment-size must be a whole number of bytes from 4096 to 1073741824, found 2147483648",
  ],
  [
    "serve --cache-size 5G",
    "Option --cache-size must be a whole number of bytes from 0 to 4294967296, found 5368709120",
  ],
  ["serve --port 4000", 'Unknown option "--port"'],
  ["check --addr a:1", 'Unknown option "--addr"'],
  ["serve --threads 0", '--threads must be from 1 to 128, found "0"'],
  [
    "serve --sync maybe",
    'Unknown sync mode "maybe"; expected always, everysec or no',
  ],
  [
    "serve --log xml",
    '--log must be one of text, json, found "xml"',
  ],
  [
    "serve --addr http://localhost:4000",
    'Invalid address "http://localhost:4000": expected HOST:PORT, as in 127.0.0.1:4000, without http://',
  ],
  ["serve --tls-cert f", "--tls-cert and --tls-key need each other"],
];

/** What a command runs as; those that fail to stop at a mistake end at once. */
const ENV = { KVS_ADDR: "127.0.0.1:1" };

test("kvs says in one line what is wrong with its arguments, and exits with 2", async (root) => {
  const found = await Promise.all(MISTAKES.map(async ([line]) => {
    const args = line.split(" ").filter((arg) => arg !== "");
    const dir = args[0] === "serve" ? ["--dir", `${root}/data`] : [];
    const { code, stdout, stderr } = await kvs([...args, ...dir], { env: ENV });
    const [message, hint, ...rest] = stderr.split("\n");
    return [line, message, hint, rest, code, stdout];
  }));
  assertEquals(
    found,
    MISTAKES.map(([line, message]) => {
      const [name] = line.split(" ");
      const hasHelp = message.startsWith("Unknown command") ||
        /^-|^help|^$/.test(name);
      const hint = hasHelp ? "kvs --help" : `kvs ${name} --help`;
      return [line, `error: ${message}`, `Try '${hint}'`, [""], 2, ""];
    }),
  );
  // A mistake has left nothing behind.
  assertEquals([...Deno.readDirSync(root)], []);
});

test("kvs shows help and version wherever they are asked for", async () => {
  const overview = await kvs(["--help"]);
  const help = await kvs(["get", "--help"]);
  assertEquals([overview.code, help.code], [0, 0]);
  const cases: [line: string, expected: string][] = [
    ["help", overview.stdout],
    ["-h", overview.stdout],
    ["help get", help.stdout],
    ["get -h", help.stdout],
    ["--help get", help.stdout],
    ["get k --dir nowhere --help", help.stdout],
    ["serve -V", `kvs ${project.version}\n`],
    ["get k --version", `kvs ${project.version}\n`],
    ["-V", `kvs ${project.version}\n`],
  ];
  await Promise.all(cases.map(async ([line, stdout]) => {
    assertEquals(await kvs(line.split(" ")), { code: 0, stdout, stderr: "" });
  }));
});
