import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Churn, exportMoments, keys, valueOf } from "./_churn.ts";
import { kvs } from "./_kvs.ts";
import { test } from "./_targets.ts";

test(
  "kvs --read-only shows one moment of a store that is written and compacted",
  async (root) => {
    const dir = `${root}/data`;
    await using churn = await Churn.start(dir);
    const source = ["--dir", dir, "--read-only"];
    const [last, next] = keys.toReversed();
    await exportMoments(churn, source, async (round) => {
      const got = await kvs(["get", last, ...source]);
      assertEquals([got.code, got.stderr], [0, ""]);
      assert(parseInt(got.stdout) >= round - 1, got.stdout);
    });
    await churn.stop();
    const value = valueOf(churn.acknowledgedRound);
    assertEquals(
      await kvs(["scan", "--limit", "2", "--reverse", ...source]),
      { code: 0, stdout: `${last}\t${value}\n${next}\t${value}\n`, stderr: "" },
    );
  },
);

test("kvs --read-only refuses what it cannot do", async (root) => {
  const dir = `${root}/data`;
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
