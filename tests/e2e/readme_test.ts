import { assert, assertEquals } from "@std/assert";
import { packageFlags } from "../../bench/support/deno_flags.ts";

const ROOT = new URL("../../", import.meta.url);

Deno.test("README.md shows a program that runs as it says", async () => {
  const text = Deno.readTextFileSync(new URL("README.md", ROOT));
  const found =
    /^```ts\n([^]*?)^```\n\n```console\n\$ deno run (.*) \S+\n([^]*?)^```$/m
      .exec(text);
  assert(found !== null);
  const [, program, flags, output] = found;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-prompt", ...packageFlags()],
      ...[...flags.split(" "), "-"],
    ],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(program));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  assertEquals(decoder.decode(stderr), "");
  assertEquals(decoder.decode(stdout), output);
  assertEquals(code, 0);
});
