/**
 * Runs the fast tests several times beside busy loops, and says how each run
 * went: `deno task test:repeat [--runs N] [--load N]`.
 *
 * @module
 */

/** How long one run may take, in minutes; a task passes SIGTERM on. */
const RUN_MINUTES = 20;

function option(name: string, otherwise: number): number {
  const at = Deno.args.indexOf(`--${name}`);
  if (at < 0) return otherwise;
  const value = Number(Deno.args[at + 1]);
  if (Number.isInteger(value) && value >= 0 && value <= 100) return value;
  console.error(`error: --${name} must be a whole number from 0 to 100`);
  Deno.exit(2);
}

const runs = option("runs", 5);
const load = option("load", 4);
const busy = "data:text/javascript,for (;;);";
for (let i = 0; i < load; i++) new Worker(busy, { type: "module" });
let red = 0;
for (let run = 1; run <= runs; run++) {
  const startMs = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "test"],
    env: { NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGTERM"), RUN_MINUTES * 60_000);
  const { success, stdout, stderr } = await child.output();
  clearTimeout(timer);
  const seconds = Math.round((performance.now() - startMs) / 1_000);
  const text = new TextDecoder().decode(stdout);
  const [summary = "no summary"] = /^(ok|FAILED) \| .*$/m.exec(text) ?? [];
  console.log(`Run ${run} of ${runs}: ${seconds} s, ${summary}`);
  if (success) continue;
  red++;
  for (const [line] of text.matchAll(/^.* \.\.\. FAILED.*$/gm)) {
    console.log(`  ${line}`);
  }
  const log = Deno.makeTempFileSync({ prefix: "kvs_test_", suffix: ".log" });
  Deno.writeTextFileSync(log, text + new TextDecoder().decode(stderr));
  console.log(`  All that it printed: ${log}`);
}
Deno.exit(red === 0 ? 0 : 1);
