import { assertEquals } from "@std/assert";
import { suggestionFor } from "../../cli/suggestion.ts";

const COMMANDS = ["serve", "get", "set", "rm", "scan", "completions"];

Deno.test("suggestionFor() names what is nearest", () => {
  const cases: [typed: string, nearest: string | undefined][] = [
    ["gte", "get"],
    ["get", "get"],
    ["gett", "get"],
    ["sest", "set"],
    ["srve", "serve"],
    ["compeltion", "completions"],
    ["SCAN", "scan"],
    ["ls", undefined],
    ["put", undefined],
    ["", undefined],
    ["🦕", undefined],
  ];
  for (const [typed, nearest] of cases) {
    assertEquals(
      suggestionFor(typed, COMMANDS),
      nearest && `did you mean "${nearest}"?`,
      typed,
    );
  }
});

Deno.test("suggestionFor() counts dashes as letters, not towards the length", () => {
  assertEquals(suggestionFor("-tls", ["--tls"]), 'did you mean "--tls"?');
  assertEquals(suggestionFor("--x", ["--tls"]), undefined);
});
