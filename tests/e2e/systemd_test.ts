import { assert, assertEquals } from "@std/assert";
import { BINARY, kvs } from "./_kvs.ts";

const UNIT = new URL("../../docs/kvs.service", import.meta.url);

const ANALYZE = "systemd-analyze";

/** Whether systemd is there to be asked. */
function isInstalled(): boolean {
  try {
    return new Deno.Command(ANALYZE, { args: ["--version"] }).outputSync()
      .success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** What systemd has to say of a unit; nothing if all is well. */
async function verify(unit: string): Promise<string> {
  const directory = Deno.makeTempDirSync({ prefix: "kvs_systemd_" });
  try {
    const path = `${directory}/kvs.service`;
    Deno.writeTextFileSync(path, unit);
    const { success, stderr } = await new Deno.Command(ANALYZE, {
      args: ["verify", path],
    }).output();
    const said = new TextDecoder().decode(stderr);
    return success || said !== "" ? said : "It failed";
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

const hasSystemd = isInstalled();

Deno.test({
  name: hasSystemd
    ? "docs/kvs.service is a unit as systemd wants it"
    : `docs/kvs.service is not verified: there is no ${ANALYZE}`,
  ignore: !hasSystemd,
  fn: async () => {
    // The program has to be there.
    const unit = Deno.readTextFileSync(UNIT)
      .replaceAll("/usr/local/bin/kvs", BINARY ?? Deno.execPath());
    assertEquals(await verify(unit), "");
    assert(await verify(unit.replace("=exec", "=exce")) !== "");
    assert(await verify(unit.replace("DynamicUser", "DynamicUsher")) !== "");
  },
});

Deno.test("docs/kvs.service uses options that there are", async () => {
  const { stdout: help } = await kvs(["serve", "--help"]);
  const options = Deno.readTextFileSync(UNIT).match(/--[a-z]+(-[a-z]+)*/g)!;
  assert(options.length >= 4, `${options}`);
  for (const option of options.filter((option) => option !== "--now")) {
    assert(help.includes(`  ${option} `), option);
  }
});
