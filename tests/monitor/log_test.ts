import { assert, assertEquals } from "@std/assert";
import { type LogOptions, makeLog } from "../../monitor/log.ts";

/** What a log writes of some events, with their time left out. */
function written(options: LogOptions): string[] {
  const lines: string[] = [];
  const log = makeLog({ ...options, write: (line) => lines.push(line) });
  const beganMs = Date.now();
  log("info", "Listening on [::1]:4000", { addr: "[::1]:4000" });
  log("warn", "Two\nlines, and\u001b[31m more");
  log("error", 'Cannot open "x"', { path: "x", offset: 17 });
  return lines.map((line) => {
    const [time] = /\d{4}-\d{2}-\d{2}T[\d:.]+Z/.exec(line) ?? [];
    assert(Date.parse(time!) >= beganMs && Date.parse(time!) <= Date.now());
    return line.replace(time!, "TIME");
  });
}

Deno.test("makeLog() writes a line with time and level for each event", () => {
  assertEquals(written({}), [
    "TIME INFO  Listening on [::1]:4000",
    "TIME WARN  Two lines, and [31m more",
    'TIME ERROR Cannot open "x"',
  ]);
});

Deno.test("makeLog() writes an object with all fields for programs", () => {
  assertEquals(written({ format: "json" }), [
    '{"time":"TIME","level":"info","message":"Listening on [::1]:4000","addr":"[::1]:4000"}',
    '{"time":"TIME","level":"warn","message":"Two\\nlines, and\\u001b[31m more"}',
    '{"time":"TIME","level":"error","message":"Cannot open \\"x\\"","path":"x","offset":17}',
  ]);
});

Deno.test("makeLog() leaves out what matters less", () => {
  assertEquals(written({ level: "warn" }).length, 2);
  assertEquals(written({ level: "error" }), ['TIME ERROR Cannot open "x"']);
});
