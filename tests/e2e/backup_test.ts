import { assert, assertEquals } from "@std/assert";
import { Churn, roundOf } from "./_churn.ts";
import { kvs } from "./_kvs.ts";

const DOCUMENT = new URL("../../docs/operations.md", import.meta.url);

Deno.test({
  name:
    "docs/operations.md has a script that copies a store while it is served",
  ignore: Deno.build.os === "windows",
  async fn() {
    const text = Deno.readTextFileSync(DOCUMENT);
    const script = /^```sh\n(#!\/bin\/sh\n[^]*?)^```$/m.exec(text)?.[1];
    assert(script !== undefined);
    const root = Deno.makeTempDirSync({ prefix: "kvs_backup_" });
    try {
      await using churn = await Churn.start(`${root}/data`);
      let lastRound = 0;
      for (let copy = 1; copy <= 4; copy++) {
        const backup = `${root}/backup${copy}`;
        const { acknowledgedRound } = churn;
        const { code, stderr } = await new Deno.Command("sh", {
          args: ["-c", script, "backup", `${root}/data`, backup],
        }).output();
        assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
        // The first opening cuts the write off that was going on.
        const exported = await kvs(["export", "--dir", backup]);
        assertEquals(exported.code, 0, exported.stderr);
        const round = roundOf(exported.stdout);
        assert(round >= acknowledgedRound, `${round}, ${acknowledgedRound}`);
        assert(round >= lastRound, `Round ${round} after ${lastRound}`);
        lastRound = round;
        const checked = await kvs(["check", "--dir", backup]);
        assertEquals([checked.code, checked.stderr], [0, ""], checked.stdout);
      }
      assert(lastRound > 0);
      const names = [...Deno.readDirSync(root)].map(({ name }) => name).sort();
      assertEquals(names, [
        ...["backup1", "backup2", "backup3", "backup4"],
        "data",
      ]);
    } finally {
      Deno.removeSync(root, { recursive: true });
    }
  },
});
