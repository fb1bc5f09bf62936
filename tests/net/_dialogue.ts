/**
 * Talking to a handler as a connection would.
 *
 * @module
 */

import type { RequestHandler } from "../../net/connection.ts";
import { AnswerBuffer } from "../../protocol/json/answer_buffer.ts";
import {
  RequestBuffer,
  type RequestLimits,
} from "../../protocol/json/request_buffer.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A handler with the requests of its connection. */
export class Dialogue {
  readonly requests: RequestBuffer;
  readonly #handler: RequestHandler;

  constructor(handler: RequestHandler, limits: RequestLimits = {}) {
    this.#handler = handler;
    this.requests = new RequestBuffer(limits);
  }

  get isBroken(): boolean {
    return this.requests.isBroken;
  }

  /** Sends text or bytes, in as many reads as needed; returns the answers. */
  async send(input: string | Uint8Array): Promise<string> {
    const bytes = typeof input === "string" ? encoder.encode(input) : input;
    let answers = "";
    for (let left = bytes; left.length > 0 && !this.isBroken;) {
      const space = this.requests.space();
      const read = left.subarray(0, space.length);
      space.set(read);
      this.requests.commit(read.length);
      left = left.subarray(read.length);
      answers += await this.run();
    }
    return answers;
  }

  /** Ends the stream; returns what is answered then. */
  async end(): Promise<string> {
    this.requests.end();
    return await this.run();
  }

  /** Runs what there is; returns the answers. */
  async run(onAnswers: (bytes: Uint8Array) => void = () => {}) {
    let text = "";
    for (let isMore = true; isMore;) {
      const answers = new AnswerBuffer();
      isMore = await this.#handler.run(this.requests, answers);
      onAnswers(answers.bytes());
      text += decoder.decode(answers.bytes());
    }
    return text;
  }

  close(): void {
    this.#handler.close();
  }
}

/** Takes all bytes that no request was taken from, whatever they are. */
export function takeRaw(requests: RequestBuffer): Uint8Array {
  const { unusedBytes } = requests;
  // What is unused is moved to the front, and the room follows it.
  const { buffer } = requests.space();
  requests.rewind(unusedBytes);
  return new Uint8Array(buffer, 0, unusedBytes).slice();
}
