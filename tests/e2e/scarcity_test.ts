import { assert, assertEquals, assertMatch } from "@std/assert";
import { KvStore } from "../../engine/kvs/store/store.ts";
import { parseAddr } from "../../addr.ts";
import { until } from "../_deadline.ts";
import { underLimit } from "../_descriptors.ts";
import { parseExposition } from "../monitor/_exposition_parser.ts";
import { ServerProcess } from "./_kvs.ts";
import { test } from "./_targets.ts";
import { connect, get, lines, oneShot, receive, send, set } from "./_tcp.ts";

const MODULE = new URL("./_mortal_server.ts", import.meta.url);
const DESCRIPTORS = 128;
/** More connections than descriptors… */
const CONNECTIONS = 150;
/** …and more to the metrics port than it keeps. */
const SCRAPERS = 40;
const SETS = 100;
const VALUE = "v".repeat(500);

const OK = '{"Ok":null}\n';
const DEADLINE_MS = 60_000;

/** A server, and what a test does to it. */
class Victim {
  readonly server: ServerProcess;
  readonly #root: string;

  private constructor(server: ServerProcess, root: string) {
    this.server = server;
    this.#root = root;
  }

  static async start(root: string, pool: string, threads: number) {
    const command = underLimit(DESCRIPTORS, MODULE, root, pool, `${threads}`);
    const child = command.spawn();
    // Nothing is printed there.
    await child.stdout.cancel();
    return new Victim(await ServerProcess.over(child), root);
  }

  /** Begins to do something to it, for as long as a file of that name is there. */
  begin(what: "die" | "eio" | "hog"): void {
    Deno.writeTextFileSync(`${this.#root}/${what}`, "");
  }

  end(what: "die" | "eio" | "hog"): void {
    Deno.removeSync(`${this.#root}/${what}`);
  }

  get metricsAddr(): string {
    return /Metrics on (\S+)/.exec(this.server.log)![1];
  }

  /** Sends a request of its own connection, and gives the answer. */
  async ask(request: unknown): Promise<string> {
    try {
      return await oneShot(this.server.addr, request);
    } catch (error) {
      // Reset, or nobody is there.
      return `${error}`;
    }
  }

  /** Asks until the answer is as expected. */
  async askUntil(request: unknown, expected: RegExp): Promise<string> {
    const deadlineMs = performance.now() + DEADLINE_MS;
    for (let answer = "";;) {
      answer = await this.ask(request);
      if (expected.test(answer)) return answer;
      assert(
        performance.now() < deadlineMs,
        `Waited for ${expected}, last came ${answer}\n${this.server.log}`,
      );
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async scrape(): Promise<string> {
    const response = await fetch(`http://${this.metricsAddr}/metrics`);
    assertEquals(response.status, 200);
    return await response.text();
  }

  /** Stops it, and looks whether it had come through. */
  async stop(): Promise<void> {
    this.server.signal("SIGTERM");
    assertEquals((await this.server.end()).code, 0, this.server.log);
    assert(!this.server.log.includes("panicked"), this.server.log);
  }
}

/** Closes what may be closed already. */
function closeAll(connections: readonly Deno.TcpConn[]): void {
  for (const conn of connections) {
    try {
      conn.close();
    } catch {
      // It was.
    }
  }
}

const pools = Deno.build.os === "linux" ? ["reuse-port", "shared-queue"] : [];

for (const pool of pools) {
  test(`KvsServer lives with few descriptors, whatever comes at once (${pool})`, async (root) => {
    const victim = await Victim.start(root, pool, 2);
    await using server = victim.server;
    const { addr } = server;
    const limit = Number(
      /Serving at most (\d+) connections/.exec(server.log)?.[1],
    );
    assert(limit >= 10 && limit < DESCRIPTORS, server.log);
    using first = await connect(addr);
    /** Answers of the first connection, which stays. */
    const ask = async (...requests: unknown[]) => {
      await send(first, lines(...requests));
      return await receive(first, requests.length);
    };
    assertEquals(await ask(set("k", "v")), OK);

    const scrapers = await Promise.all(
      Array.from(
        { length: SCRAPERS },
        () => Deno.connect(parseAddr(victim.metricsAddr)),
      ),
    );
    const clients = await Promise.all(
      Array.from({ length: CONNECTIONS }, () => connect(addr)),
    );
    try {
      const served = Promise.all(clients.map(async (conn) => {
        try {
          await send(conn, lines(get("k")));
          return await receive(conn, 1);
        } catch {
          return "Reset";
        }
      }));
      const sets = Array.from({ length: SETS }, (_, i) => set(`k${i}`, VALUE));
      const written = await ask(...sets);
      // There is a reserve for it, of which the refused ones that are being told
      // so have some for a moment.
      await until("a snapshot", async () => {
        const answers = await ask({ Snapshot: {} }, { Scan: { limit: 1 } });
        const isTaken = /^\{"Ok":null\}\n\{"Ok":.*\}\n$/.test(answers);
        if (!isTaken) assertMatch(answers, /^\{"Err":"Cannot open .* files: /);
        return isTaken;
      });
      const [compacted, page, answers] = [
        await ask({ Compact: {} }),
        await victim.scrape(),
        await served,
      ];
      assertEquals(written, OK.repeat(SETS));
      assertMatch(compacted, /^\{"Ok":\{"bytesBefore":/);
      const { samples } = parseExposition(page).get("kvs_connections")!;
      assert(samples.get("kvs_connections")! <= limit, page);
      const refusal = `{"Err":"Too many connections, the limit is ${limit}`;
      for (const answer of answers) {
        assert(
          answer.startsWith(refusal) ||
            ['{"Ok":"v"}\n', "Reset", ""].includes(answer),
          answer,
        );
      }
      assertEquals(
        answers.filter((answer) => answer === '{"Ok":"v"}\n').length,
        limit - 1,
        `${answers.join("")}\n${server.log}`,
      );
    } finally {
      closeAll([...scrapers, ...clients]);
    }
    await victim.askUntil(get("k"), /^\{"Ok":"v"\}/);
    await victim.stop();
  });

  test(`KvsServer lives without any descriptor, and serves again (${pool})`, async (root) => {
    const victim = await Victim.start(root, pool, 2);
    await using server = victim.server;
    using first = await connect(server.addr);
    const ask = async (...requests: unknown[]) => {
      await send(first, lines(...requests));
      return await receive(first, requests.length);
    };
    assertEquals(await ask(set("k", "v"), get("k")), `${OK}{"Ok":"v"}\n`);

    victim.begin("hog");
    await server.logged("Using all descriptors up");
    using waiting = await connect(server.addr);
    await server.logged("Cannot accept connections:");
    const page = victim.scrape();
    page.catch(() => {});
    await server.logged("Cannot accept connections for metrics:");
    const noWorker = /^\{"Err":"Cannot start a Worker: only 0 file descr/;
    assertMatch(await ask({ Snapshot: {} }), noWorker);
    assertMatch(await ask({ Compact: {} }), noWorker);
    // What has no file open yet can't read; whoever has one, can.
    assertMatch(await ask(get("k")), /^\{"Ok":"v"\}|Too many open files/);
    // A new segment can't be made; nothing is promised that is not kept.
    const sets = Array.from({ length: SETS }, (_, i) => set(`k${i}`, VALUE));
    const written = (await ask(...sets)).trimEnd().split("\n");
    assertEquals(written.length, SETS);
    assert(
      written.some((answer) => answer.includes("Too many open files")),
      written.join("\n"),
    );

    victim.begin("die");
    await server.logged("Worker died:");
    await server.logged("Cannot start a Worker: only");
    victim.end("die");
    victim.end("hog");
    waiting.close();

    await victim.askUntil(get("k"), /^\{"Ok":"v"\}/);
    await victim.askUntil({ Stats: {} }, /"workers":\{"down":0,/);
    assert((await page).includes("kvs_info"));
    await victim.askUntil({ Snapshot: {} }, /^\{"Ok":null\}/);
    await victim.askUntil({ Compact: {} }, /^\{"Ok":\{"bytesBefore":/);
    assertEquals(await victim.ask(set("after", "all")), OK);
    const { samples } = parseExposition(await victim.scrape())
      .get("kvs_worker_deaths_total")!;
    assert(samples.get("kvs_worker_deaths_total")! >= 1);
    await victim.stop();

    await using store = KvStore.open(`${root}/data`);
    assertEquals([store.get("k"), store.get("after")], ["v", "all"]);
    written.forEach((answer, i) => {
      if (answer === '{"Ok":null}') assertEquals(store.get(`k${i}`), VALUE);
    });
  });

  test(`KvsServer answers with an error while no Worker is left (${pool})`, async (root) => {
    const victim = await Victim.start(root, pool, 1);
    await using _server = victim.server;
    assertEquals(await victim.ask(set("k", "v")), OK);
    victim.begin("die");
    await victim.askUntil(get("k"), /^\{"Err":"No Worker is left: /);
    const { samples } = parseExposition(await victim.scrape())
      .get("kvs_workers_down")!;
    assertEquals(samples.get("kvs_workers_down"), 1);
    victim.end("die");
    await victim.askUntil(get("k"), /^\{"Ok":"v"\}/);
    await victim.askUntil({ Stats: {} }, /"workers":\{"down":0,"died":[6-9]/);
    await victim.stop();
  });

  test(`KvsServer says everywhere that the disk failed (${pool})`, async (root) => {
    const victim = await Victim.start(root, pool, 2);
    await using server = victim.server;
    assertEquals(await victim.ask(set("k", "v")), OK);
    const before = await victim.scrape();
    assert(before.includes("\nkvs_writes_refused 0\n"), before);
    victim.begin("eio");
    assertMatch(await victim.ask(set("k", "w")), /^\{"Err":/);
    victim.end("eio");
    await server.logged("ERROR Writes are disabled");
    // It stays so, whoever is asked, though the disk does its work again.
    for (let i = 0; i < 8; i++) {
      assertMatch(await victim.ask(set("k", "w")), /^\{"Err":"Writes are dis/);
      const stats = await victim.ask({ Stats: {} });
      assertMatch(stats, /"writesRefused":"[^"]+/);
    }
    const after = await victim.scrape();
    assert(after.includes("\nkvs_writes_refused 1\n"), after);
    await victim.stop();
  });
}
