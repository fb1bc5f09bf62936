import { assertEquals, assertThrows } from "@std/assert";
import { parseFlags } from "../../cli/command.ts";
import { UsageError } from "../../cli/errors.ts";
import { LIMIT_FLAGS, readLimits } from "../../cli/limits.ts";
import { allLimits } from "../../net/limits.ts";

function read(...args: string[]) {
  return readLimits(parseFlags(LIMIT_FLAGS, args).flags);
}

Deno.test("readLimits() reads each limit, and has the defaults of a server", () => {
  assertEquals(read(), allLimits());
  assertEquals(
    read(
      ..."--max-key-size 1K --max-value-size 2K --max-request-size 8K"
        .split(" "),
      ..."--max-connections 7 --max-unread-size 9 --max-buffer-size 1M"
        .split(" "),
      ..."--idle-timeout 300 --request-timeout 0.25 --unread-timeout 0"
        .split(" "),
    ),
    {
      maxKeyBytes: 1024,
      maxValueBytes: 2048,
      maxRequestBytes: 8192,
      maxConnections: 7,
      maxUnreadBytes: 9,
      maxBufferBytes: 1024 * 1024,
      idleTimeoutMs: 300_000,
      requestTimeoutMs: 250,
      unreadTimeoutMs: 0,
    },
  );
});

Deno.test("readLimits() says which limit is none", () => {
  const cases = [
    ["--max-connections", "0", "Cannot limit --max-connections to 0"],
    ["--max-connections", "1.5", "Cannot limit --max-connections to 1.5"],
    ["--max-connections", "all", "--max-connections must be a number"],
    ["--idle-timeout", "1m", '--idle-timeout must be a number, found "1m"'],
    [
      "--idle-timeout",
      "9999999999",
      "Cannot limit --idle-timeout to 9999999999000",
    ],
    ["--max-key-size", "long", "--max-key-size must be a number of bytes"],
    ["--max-request-size", "1T", "Cannot limit --max-request-size"],
  ];
  for (const [flag, value, message] of cases) {
    assertThrows(() => read(flag, value), UsageError, message);
  }
});
