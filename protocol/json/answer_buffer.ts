/**
 * Answers on their way out.
 *
 * @module
 */

import type { ScanPage } from "../../engine/engine.ts";
import { NEWLINE } from "./bytes.ts";
import { JsonBytes } from "./json_bytes.ts";

const encoder = new TextEncoder();
const OK = encoder.encode('{"Ok":null}\n');
const VALUE_HEAD = encoder.encode('{"Ok":"');
const VALUE_TAIL = encoder.encode('"}\n');

/**
 * What answers may cost before they leave, in entries of pages: few bytes can
 * be the answer to much work, for which other connections wait.
 */
const MAX_COST = 10_000;
/** About what the statistics of the server and its store cost. */
const OBJECT_COST = 200;

const PAGE_HEAD = encoder.encode('{"Ok":{"entries":[');
const KEY_HEAD = encoder.encode('["');
const VALUE_BETWEEN = encoder.encode('","');
const ENTRY_TAIL = encoder.encode('"]');
const COMMA = encoder.encode(",");
const MORE_TAIL = encoder.encode('],"more":true}}\n');
const LAST_TAIL = encoder.encode('],"more":false}}\n');

/**
 * The answers to a batch of requests, one line each, written into one array
 * that leaves in one piece and is used again for the next batch.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const answers = new AnswerBuffer();
 * answers.ok();
 * answers.err("Key not found");
 * assertEquals(
 *   new TextDecoder().decode(answers.bytes()),
 *   '{"Ok":null}\n{"Err":"Key not found"}\n',
 * );
 * ```
 */
export class AnswerBuffer {
  #json = new JsonBytes();
  readonly #maxBytes: number;
  #errors = 0;
  #cost = 0;

  /**
   * Makes an empty buffer.
   *
   * @param maxBytes It is full with this many bytes, and still takes more.
   */
  constructor(maxBytes = 1024 * 1024) {
    this.#maxBytes = maxBytes;
  }

  /** Whether the answers ought to leave before there are more. */
  get isFull(): boolean {
    return this.#json.length >= this.#maxBytes || this.#cost >= MAX_COST;
  }

  /** How many of the answers are errors. */
  get errors(): number {
    return this.#errors;
  }

  /** How many bytes the answers take. */
  get length(): number {
    return this.#json.length;
  }

  /** How much memory it takes, in bytes. */
  get heldBytes(): number {
    return this.#json.heldBytes;
  }

  /** The answers, a view that is valid until the next change. */
  bytes(): Uint8Array<ArrayBuffer> {
    return this.#json.bytes();
  }

  /** Forgets the answers, for the next batch. */
  clear(): void {
    this.#json.clear();
    this.#errors = 0;
    this.#cost = 0;
  }

  /** Appends answers that are spelled already. */
  append(lines: Uint8Array): void {
    this.#json.copy(lines);
  }

  /** Answers that it is done: `{"Ok":null}`. */
  ok(): void {
    this.#json.literal(OK);
  }

  /**
   * Answers with a value: `{"Ok":"…"}`.
   *
   * @param value The value, UTF-8 text. What is no text can only have come in
   * past the protocol, and has no JSON; the answer then is an error.
   */
  value(value: Uint8Array): void {
    const json = this.#json;
    const start = json.length;
    json.literal(VALUE_HEAD);
    if (json.string(value)) {
      json.literal(VALUE_TAIL);
    } else {
      json.cut(start);
      this.err("Value is not UTF-8 text");
    }
  }

  /**
   * Answers with a page of a scan:
   * `{"Ok":{"entries":[["k","v"],…],"more":true}}`; without values an entry is
   * `["k"]`.
   *
   * @param page The page. Where a key or value is no text, the answer is an
   * error, as in {@linkcode value}.
   */
  page({ entries, more }: ScanPage): void {
    const json = this.#json;
    const start = json.length;
    this.#cost += entries.length;
    json.literal(PAGE_HEAD);
    for (let i = 0; i < entries.length; i++) {
      const { key, value } = entries[i];
      if (i > 0) json.literal(COMMA);
      json.literal(KEY_HEAD);
      let isText = json.string(key);
      if (value !== undefined) {
        json.literal(VALUE_BETWEEN);
        isText = json.string(value) && isText;
      }
      if (!isText) {
        json.cut(start);
        return this.err("A key or value is not UTF-8 text");
      }
      json.literal(ENTRY_TAIL);
    }
    json.literal(more ? MORE_TAIL : LAST_TAIL);
  }

  /**
   * Answers that a request failed: `{"Err":"…"}`.
   *
   * @param message Why.
   */
  err(message: string): void {
    this.#errors++;
    this.#json.text(`{"Err":${JSON.stringify(message)}}\n`);
  }

  /**
   * Answers with any JSON value: `{"Ok":…}`.
   *
   * @param value The value.
   * @param cost What it took, in entries of pages.
   */
  json(value: unknown, cost = OBJECT_COST): void {
    this.#cost += cost;
    this.#json.text(`{"Ok":${JSON.stringify(value)}}\n`);
  }

  /**
   * Takes back answers of the kind `{"Ok":null}`; others stay.
   *
   * @param runs Where the answers stand that are to be taken back: beginning
   * and end of each run of them, in bytes, in order.
   * @param message The error that takes their place.
   */
  replaceOks(runs: readonly number[], message: string): void {
    const old = this.bytes();
    const json = this.#json = new JsonBytes();
    let kept = 0;
    for (let i = 0; i < runs.length; i += 2) {
      json.copy(old.subarray(kept, runs[i]));
      for (let at = runs[i]; at < runs[i + 1];) {
        const end = old.indexOf(NEWLINE, at) + 1;
        const line = old.subarray(at, end);
        if (OK.every((byte, j) => line[j] === byte)) this.err(message);
        else json.copy(line);
        at = end;
      }
      kept = runs[i + 1];
    }
    json.copy(old.subarray(kept));
  }
}

/**
 * Spells an error that answers no request.
 *
 * @param message What is wrong.
 * @returns The line `{"Err":…}`.
 */
export function errLine(message: string): Uint8Array {
  const answers = new AnswerBuffer();
  answers.err(message);
  return answers.bytes();
}
