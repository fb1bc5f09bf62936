import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Churn, keys, roundOf, valueOf } from "./_churn.ts";
import { kvs } from "./_kvs.ts";

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

test("kvs --read-only shows one moment of a store that is written and compacted", async (dir) => {
  await using churn = await Churn.start(dir);
  const source = ["--dir", dir, "--read-only"];
  const [last, next] = keys.toReversed();
  let lastRound = 0;
  let changes = 0;
  for (let tries = 0; changes < 3; tries++) {
    assert(tries < 50, `Only ${changes} changes in ${tries} tries`);
    const { acknowledgedRound } = churn;
    const exported = await kvs(["export", ...source]);
    assertEquals([exported.code, exported.stderr], [0, ""]);
    const round = roundOf(exported.stdout);
    assert(round >= acknowledgedRound, `${round} after ${acknowledgedRound}`);
    assert(round >= lastRound, `Round ${round} after ${lastRound}`);
    if (round > lastRound) changes++;
    lastRound = round;
    const got = await kvs(["get", last, ...source]);
    assertEquals([got.code, got.stderr], [0, ""]);
    assert(parseInt(got.stdout) >= lastRound - 1, got.stdout);
  }
  await churn.stop();
  const value = valueOf(churn.acknowledgedRound);
  assertEquals(
    await kvs(["scan", "--limit", "2", "--reverse", ...source]),
    { code: 0, stdout: `${last}\t${value}\n${next}\t${value}\n`, stderr: "" },
  );
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
