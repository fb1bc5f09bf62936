/**
 * What connections begin with that are not made by a client of this protocol.
 *
 * @module
 */

const encoder = new TextEncoder();

/** The key that {@linkcode SMUGGLED} sets. */
export const SMUGGLED_KEY = "smuggled";

/** A request inside or after an opening, which must never run. */
export const SMUGGLED = `\n{"Set":{"key":"${SMUGGLED_KEY}","value":"v"}}\n`;

/** A TLS hello whose session ticket, chosen by another server, holds lines. */
function clientHello(): Uint8Array<ArrayBuffer> {
  const ticket = encoder.encode(SMUGGLED);
  return Uint8Array.of(
    ...[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3],
    ...Array.from({ length: 32 }, (_, i) => 0x80 + i),
    ...[0, 0, 2, 0x13, 1, 1, 0, 0, 35, 0, ticket.length],
    ...ticket,
    ...[0, 1, 2],
  );
}

function utf16(text: string): Uint8Array<ArrayBuffer> {
  const units = Uint16Array.from(text, (unit) => unit.charCodeAt(0));
  return new Uint8Array(units.buffer);
}

/** Openings by name; none of them begins with a JSON object, however it is cut. */
export const OPENINGS: ReadonlyMap<string, Uint8Array<ArrayBuffer>> = inBytes([
  ["HTTP GET", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"],
  ["HTTP POST", `POST / HTTP/1.1\r\nContent-Length: 40\r\n\r\n${SMUGGLED}`],
  ["HTTP with brackets", `POST /?${"[".repeat(40)} HTTP/1.1\r\n\r\n`],
  ["HTTP with braces", `POST /?${"{".repeat(33)} HTTP/1.1\r\n\r\n`],
  ["HTTP with a brace", "POST /?{ HTTP/1.1\r\nHost: x\r\n\r\n\xff"],
  ["HTTP with bytes", Uint8Array.of(...encoder.encode("POST /?{"), 0xff)],
  ["HTTP with a quote", 'POST /?{" HTTP/1.1\r\nHost: x\r\n\r\n'],
  ["HTTP with a comma", 'POST /?{"a":1}, HTTP/1.1\r\n\r\n'],
  ["HTTP with a long path", `GET /${"a".repeat(20_000)} HTTP/1.1\r\n`],
  ["HTTP 0.9", "GET /\r\n"],
  ["HTTP 2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ["HTTP CONNECT", "CONNECT localhost:4000 HTTP/1.1\r\n\r\n"],
  ["HTTP OPTIONS", "OPTIONS /{} HTTP/1.1\r\nOrigin: http://x\r\n\r\n"],
  ["WebSocket", "GET /{ HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"],
  ["HTTP answer", "HTTP/1.1 200 OK\r\n\r\n"],
  ["TLS", clientHello()],
  ["TLS alert", Uint8Array.of(0x15, 3, 3, 0, 2, 2, 40)],
  ["SSL 2", Uint8Array.of(0x80, 0x2e, 1, 3, 1, 0, 0x15)],
  ["SSH", "SSH-2.0-OpenSSH_9.6\r\n"],
  ["SMTP", "EHLO localhost\r\nMAIL FROM:<a@b>\r\n"],
  ["POP3", "USER a\r\n"],
  ["IMAP", "a1 LOGIN a b\r\n"],
  ["FTP", "USER anonymous\r\n"],
  ["IRC", "NICK a\r\nUSER a 0 * :a\r\n"],
  ["RESP", "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"],
  ["RESP inline", "SET k v\r\n"],
  ["memcached", "set k 0 0 1\r\nv\r\n"],
  ["Gopher", `1/{${SMUGGLED}`],
  ["SIP", "OPTIONS sip:a@b SIP/2.0\r\n\r\n"],
  ["RTSP", "DESCRIBE rtsp://localhost/ RTSP/1.0\r\n\r\n"],
  ["PROXY 1", "PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n"],
  ["PROXY 2", "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"],
  ["SOCKS 4", Uint8Array.of(4, 1, 0, 80, 127, 0, 0, 1, 0)],
  ["SOCKS 5", Uint8Array.of(5, 1, 0)],
  ["STUN", Uint8Array.of(0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42)],
  ["STUN, framed", Uint8Array.of(0, 20, 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42)],
  ["PostgreSQL", Uint8Array.of(0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f)],
  ["MQTT", Uint8Array.of(0x10, 12, 0, 4, 0x4d, 0x51, 0x54, 0x54)],
  ["SMB", Uint8Array.of(0, 0, 0, 47, 0xff, 0x53, 0x4d, 0x42)],
  ["RDP", Uint8Array.of(3, 0, 0, 19, 14, 0xe0)],
  ["LDAP", Uint8Array.of(0x30, 12, 2, 1, 1)],
  ["telnet", Uint8Array.of(0xff, 0xfd, 0x18)],
  ["BitTorrent", "\x13BitTorrent protocol"],
  ["XMPP", "<?xml version='1.0'?><stream:stream>"],
  ["git", "0032git-upload-pack /x\0host=y\0"],
  ["an array", "[]"],
  ["an array with an object", `[{"Get":{"key":"k"}}]`],
  ["a number", "1"],
  ["a string", '"{}"'],
  ["null", "null"],
  ["a zero byte", "\0"],
  ["a byte order mark", '\ufeff{"Get":{"key":"k"}}'],
  ["UTF-16", utf16('{"Get":{"key":"k"}}')],
  ["UTF-16 with a byte order mark", utf16('\ufeff{"Get":{"key":"k"}}')],
  ["an object that is not UTF-8", Uint8Array.of(0x7b, 0x22, 0xff, 0x22)],
  [
    "an object with a value that is not UTF-8",
    Uint8Array.of(...encoder.encode('{"a":"'), 0xff, 0x22, 0x7d),
  ],
  ["an object without an end", "{"],
  ["an object within one without an end", '{"Set":{"key":"k","value":"v"}'],
  ["an object with a string without an end", '{"Set":{"key":"k'],
  ["an object with a control character", '{"Get":{"key":"\t"}}'],
  ["an object that is not JSON", "{Get:{key:1}}"],
  ["an object that nests too deep", `${'{"a":'.repeat(33)}1${"}".repeat(33)}`],
  ["a comment", '// {"Get":{"key":"k"}}'],
  ["blank lines and then text", "\n \r\n\t\n hello"],
]);

function inBytes(
  openings: readonly (readonly [string, string | Uint8Array<ArrayBuffer>])[],
): ReadonlyMap<string, Uint8Array<ArrayBuffer>> {
  return new Map(openings.map(([name, opening]) => [
    name,
    typeof opening === "string" ? encoder.encode(opening) : opening,
  ]));
}
