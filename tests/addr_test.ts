import { assertEquals, assertThrows } from "@std/assert";
import { formatAddr, isLoopback, parseAddr } from "../addr.ts";

Deno.test("parseAddr() reads names, IPv4 and IPv6, and formatAddr() writes them", () => {
  const cases = [
    ["127.0.0.1:4000", "127.0.0.1", 4000],
    ["localhost:0", "localhost", 0],
    ["kvs-1.example.org:65535", "kvs-1.example.org", 65535],
    ["my_host:1", "my_host", 1],
    ["[::1]:4000", "::1", 4000],
    ["[fe80::1%eth0]:4000", "fe80::1%eth0", 4000],
    ["[::ffff:10.0.0.1]:4000", "::ffff:10.0.0.1", 4000],
  ] as const;
  for (const [text, hostname, port] of cases) {
    assertEquals(parseAddr(text), { hostname, port });
    assertEquals(formatAddr({ hostname, port }), text);
  }
});

Deno.test("parseAddr() says what is wrong with an address", () => {
  const cases = [
    ["", "expected HOST:PORT, as in 127.0.0.1:4000"],
    ["localhost", "expected HOST:PORT, as in 127.0.0.1:4000"],
    [
      "tcp://127.0.0.1:4000",
      "expected HOST:PORT, as in 127.0.0.1:4000, without tcp://",
    ],
    ["::1:4000", "an IPv6 address needs brackets, as in [::1]:4000"],
    ["::1", "an IPv6 address needs brackets, as in [::1]:4000"],
    [":4000", '"" is not a host'],
    ["[]:4000", '"" is not a host'],
    ["[localhost]:4000", '"localhost" is not a host'],
    ["a b:4000", '"a b" is not a host'],
    ["-v:4000", '"-v" is not a host'],
    ["h\n:4000", '"h\\n" is not a host'],
    ["localhost:", 'port must be a number from 0 to 65535, found ""'],
    ["localhost:http", 'port must be a number from 0 to 65535, found "http"'],
    ["localhost:65536", 'port must be a number from 0 to 65535, found "65536"'],
    ["localhost:-1", 'port must be a number from 0 to 65535, found "-1"'],
    ["localhost:1e3", 'port must be a number from 0 to 65535, found "1e3"'],
  ];
  for (const [text, why] of cases) {
    const error = assertThrows(() => parseAddr(text), TypeError);
    assertEquals(
      error.message,
      `Invalid address ${JSON.stringify(text)}: ${why}`,
    );
  }
});

Deno.test("isLoopback() knows an address in every spelling of it", () => {
  const loopback = [
    "localhost",
    "LOCALHOST",
    "127.0.0.1",
    "127.255.3.4",
    "127.1",
    "2130706433",
    "0x7f.0.0.1",
    "::1",
    "0:0:0:0:0:0:0:1",
    "::ffff:127.0.0.1",
    "::FFFF:7f00:1",
  ];
  for (const host of loopback) assertEquals(isLoopback(host), true, host);
  const others = [
    "0.0.0.0",
    "0",
    "::",
    "::ffff:0.0.0.0",
    "::ffff:10.0.0.1",
    "::7f00:1",
    "10.0.0.1",
    "128.0.0.1",
    "localhost.example.org",
    "127.0.0.1.example.org",
    "example.org",
    "fe80::1%lo",
    "",
  ];
  for (const host of others) assertEquals(isLoopback(host), false, host);
});
