/**
 * The servers that are soaked.
 *
 * @module
 */

import { KvsClient } from "../../client.ts";
import { sizeOf } from "../../engine/level/compaction.ts";
import { ChildServer, type KvsServerPlan } from "../support/child_server.ts";

/** What was seen of a server at some time. */
export interface SoakSample {
  /** When, in seconds since the beginning. */
  readonly timeS: number;
  /** Memory of the process, in bytes. */
  readonly rssBytes: number;
  /** Files and connections that it has open. */
  readonly openFiles: number;
  /** What the data directory takes, in bytes. */
  readonly diskBytes: number;
  /** Keys, where the engine knows. */
  readonly keys?: number;
  /** What of the data is not dead, in bytes, where the engine knows. */
  readonly liveBytes?: number;
  /** What of it is dead, in bytes, where the engine knows. */
  readonly deadBytes?: number;
}

/** A server process, and those that come after it on the same directory. */
export class SoakServer implements AsyncDisposable {
  readonly #plan: KvsServerPlan;
  #server: Promise<ChildServer>;
  #isUp = false;

  /** @param plan How to start it. */
  constructor(plan: KvsServerPlan) {
    this.#plan = plan;
    this.#server = this.#start();
  }

  /** Whether it runs, and nobody has asked it to end. */
  get isUp(): boolean {
    return this.#isUp;
  }

  /** Where it listens, once it does. */
  async addr(): Promise<string> {
    return `127.0.0.1:${(await this.#server).port}`;
  }

  /** Ends it and starts it again. */
  async restart(how: "stop" | "kill"): Promise<void> {
    const server = await this.#server;
    this.#isUp = false;
    this.#server = (async () => {
      if (how === "kill") await server.kill();
      else await stop(server);
      return await this.#start();
    })();
    await this.#server;
  }

  /** Looks at it. */
  async sample(timeS: number): Promise<SoakSample | undefined> {
    if (!this.#isUp) return undefined;
    const running = this.#server;
    try {
      const server = await running;
      await using client = await KvsClient.connect(await this.addr());
      const { keys, liveBytes, deadBytes } = (await client.stats()).store;
      const { rssBytes, openFiles } = server;
      if (!this.#isUp || running !== this.#server) return undefined;
      const diskBytes = this.#diskBytes();
      return {
        ...{ timeS, rssBytes, openFiles, diskBytes },
        ...{ keys, liveBytes, deadBytes },
      };
    } catch (error) {
      // Else it was ended meanwhile.
      if (this.#isUp && running === this.#server) throw error;
      return undefined;
    }
  }

  /** Makes it compact; an error is none if it was ended meanwhile. */
  async compact(): Promise<void> {
    if (!this.#isUp) return;
    const running = this.#server;
    try {
      await using client = await KvsClient.connect(await this.addr());
      await client.compact();
    } catch (error) {
      if (this.#isUp && running === this.#server) throw error;
    }
  }

  /** Ends it, as it should end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isUp = false;
    await stop(await this.#server);
  }

  async #start(): Promise<ChildServer> {
    const server = await ChildServer.startKvs(this.#plan);
    this.#isUp = true;
    return server;
  }

  /** What the files take, known to the engine or not. */
  #diskBytes(): number {
    const { dir, engine } = this.#plan;
    return sizeOf(dir) + (engine === "level" ? sizeOf(`${dir}/level`) : 0);
  }
}

async function stop(server: ChildServer): Promise<void> {
  const code = await server.stop();
  if (code !== 0) throw new Error(`Server ended with ${code} when asked to`);
}
