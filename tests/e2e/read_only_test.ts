import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { KvsClient } from "../../client.ts";
import { kvs, ServerProcess } from "./_kvs.ts";

const KEYS = 300;

const keys = Array.from({ length: KEYS }, (_, i) => `k${1_000 + i}`);

/** A value of a round: large enough to fill segments. */
function valueOf(round: number): string {
  return `${round} ${"x".repeat(400)}`;
}

/** Runs a test with a data directory that does not exist yet. */
function test(name: string, body: (dir: string) => Promise<void>): void {
  Deno.test(name, async () => {
    const root = Deno.makeTempDirSync({ prefix: "kvs_read_only_" });
    try {
      await body(`${root}/data`);
    } finally {
      Deno.removeSync(root, { recursive: true });
    }
  });
}

/** Writes round after round, each key in turn, and compacts, until it stops. */
async function churn(addr: string, isOver: () => boolean): Promise<number> {
  await using client = await KvsClient.connect(addr);
  let round = 1;
  for (; !isOver(); round++) {
    const compacted = client.compact();
    // All but the last key of a round are removed before they are set again,
    // so that tombstones come and go.
    await Promise.all(keys.flatMap((key, i) => [
      ...(i < KEYS - 1 ? [client.remove(key)] : []),
      client.set(key, valueOf(round)),
    ]));
    await compacted;
  }
  return round;
}

test("kvs --read-only shows one moment of a store that is written and compacted", async (dir) => {
  await using server = await ServerProcess.start(
    ...["--dir", dir, "--segment-size", "32K", "--compact-at", "32K"],
    ...["--sync", "no"],
  );
  {
    await using client = await KvsClient.connect(server.addr);
    await Promise.all(keys.map((key) => client.set(key, valueOf(0))));
  }
  let isOver = false;
  const rounds = churn(server.addr, () => isOver);
  const source = ["--dir", dir, "--read-only"];
  let lastRound = 0;
  let changes = 0;
  for (let tries = 0; changes < 3; tries++) {
    assert(tries < 50, `Only ${changes} changes in ${tries} tries`);
    const exported = await kvs(["export", ...source]);
    assertEquals([exported.code, exported.stderr], [0, ""]);
    const pairs: { key: string; value: string }[] = exported.stdout.trim()
      .split("\n").map((line) => JSON.parse(line));
    const found = new Map(pairs.map(({ key, value }) => [key, value]));
    assertEquals(found.size, pairs.length);
    // The keys are written one after the other: there is one place up to which
    // they have the value of a round, where one may be missing, and behind which
    // they have that of the round before.
    const round = parseInt(found.get(keys[0]) ?? found.get(keys[1])!) +
      (found.has(keys[0]) ? 0 : 1);
    let place = keys.findIndex((key) => found.get(key) !== valueOf(round));
    if (place < 0) place = KEYS;
    const behind = keys.slice(found.has(keys[place]) ? place : place + 1);
    for (const key of behind) assertEquals(found.get(key), valueOf(round - 1));
    assert(found.size >= KEYS - 1, `Only ${found.size} keys`);
    assert(round >= lastRound, `Round ${round} after ${lastRound}`);
    if (round > lastRound) changes++;
    lastRound = round;
    const got = await kvs(["get", keys[KEYS - 1], ...source]);
    assertEquals([got.code, got.stderr], [0, ""]);
    assert(parseInt(got.stdout) >= lastRound - 1, got.stdout);
  }
  isOver = true;
  const last = await rounds;
  const scanned = await kvs(["scan", "--limit", "2", "--reverse", ...source]);
  assertEquals(scanned, {
    code: 0,
    stdout: [KEYS - 1, KEYS - 2]
      .map((i) => `${keys[i]}\t${valueOf(last - 1)}\n`).join(""),
    stderr: "",
  });
});

test("kvs --read-only refuses what it cannot do", async (dir) => {
  const cases: [args: string[], code: number, message: string][] = [
    [["get", "k", "--read-only"], 2, "--read-only needs --dir"],
    [
      ["get", "k", "--read-only", "--dir", dir, "--addr", "127.0.0.1:1"],
      2,
      "--addr and --dir exclude each other",
    ],
    [["set", "k", "v", "--read-only"], 2, 'Unknown option "--read-only"'],
    [["export", "--read-only", "--dir", dir], 1, "it does not exist"],
  ];
  for (const [args, code, message] of cases) {
    const result = await kvs(args);
    assertEquals([result.code, result.stdout], [code, ""]);
    assertStringIncludes(result.stderr, message);
  }
  Deno.mkdirSync(dir);
  Deno.writeTextFileSync(`${dir}/ENGINE`, "level 1\n");
  const refused = await kvs(["scan", "--read-only", "--dir", dir]);
  assertEquals(refused, {
    code: 1,
    stdout: "",
    stderr:
      `error: Cannot open data directory "${dir}" read-only: engine level lets one process open its files at a time\n`,
  });
});
