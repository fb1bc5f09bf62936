import { assert, assertEquals } from "@std/assert";
import { ServerProcess } from "./_kvs.ts";
import { connect, receive, send } from "./_tcp.ts";

const DOCUMENT = new URL("../../docs/protocol.md", import.meta.url);

interface Exchange {
  readonly request: string;
  readonly answer: string;
}

/** The conversations in the document whose blocks are of a language. */
function conversations(language: string): Exchange[][] {
  const text = Deno.readTextFileSync(DOCUMENT);
  const found: Exchange[][] = [];
  for (const [, name, block] of text.matchAll(/^```(.*)\n([^]*?)^```$/gm)) {
    if (name !== language) continue;
    const exchanges: Exchange[] = [];
    let request = "";
    for (const line of block.trimEnd().split("\n")) {
      const rest = `${line.slice(2)}\n`;
      if (line.startsWith("> ")) {
        request += rest;
      } else {
        assert(line.startsWith("< "), line);
        exchanges.push({ request, answer: rest });
        request = "";
      }
    }
    assertEquals(request, "");
    found.push(exchanges);
  }
  assert(found.length > 0);
  return found;
}

async function hold(
  addr: string,
  exchanges: Exchange[],
  spelled = (answer: string) => answer,
): Promise<void> {
  using conn = await connect(addr);
  for (const { request, answer } of exchanges) {
    await send(conn, request);
    assertEquals(
      spelled(await receive(conn, 1)),
      spelled(answer),
      request,
    );
  }
}

Deno.test("kvs serve holds the conversations in docs/protocol.md", async () => {
  const root = Deno.makeTempDirSync({ prefix: "kvs_protocol_" });
  try {
    await using open = await ServerProcess.start("--dir", `${root}/open`);
    for (const exchanges of conversations("")) await hold(open.addr, exchanges);
    for (const exchanges of conversations("stats")) {
      await hold(
        open.addr,
        exchanges,
        (answer) => answer.replaceAll(/\d+(\.\d+)*/g, "0"),
      );
    }
    Deno.writeTextFileSync(`${root}/token`, "sesame", { mode: 0o600 });
    await using closed = await ServerProcess.start(
      "--dir",
      `${root}/closed`,
      "--auth-file",
      `${root}/token`,
    );
    for (const exchanges of conversations("token")) {
      await hold(closed.addr, exchanges);
    }
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});
