/**
 * Framing and decoder against a plain reading of the protocol.
 *
 * @module
 */

import { type KvsRequest, ProtocolError } from "../../protocol/request.ts";
import {
  decodeGeneral,
  decodeRequest,
} from "../../protocol/json/request_decoder.ts";
import { RequestBuffer } from "../../protocol/json/request_buffer.ts";
import { Random } from "../engine/kvs/_helpers.ts";
import { feed, shown, takeAll } from "./_feed.ts";
import { cut, makeInput } from "./_input.ts";
import { type Reading, readPlainly } from "./_reference.ts";

/**
 * Checks inputs, of which each depends on the seed and its number alone.
 *
 * @param seed The seed.
 * @param first The number of the first input.
 * @param count How many there are.
 * @throws {Error} If one is not read as it should be.
 */
export function fuzz(seed: number, first: number, count: number): void {
  const { stackTraceLimit } = Error;
  // Half of the time would go into the stacks of errors that are caught.
  Error.stackTraceLimit = 0;
  try {
    checkInputs(seed, first, count);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function checkInputs(seed: number, first: number, count: number): void {
  for (let number = first; number < first + count; number++) {
    const random = new Random(Math.imul(seed + number, 0x9e3779b1));
    const pieces = cut(makeInput(random), random);
    const hasBegun = random.below(2) === 0;
    try {
      check(pieces, hasBegun);
    } catch (error) {
      const shownPieces = pieces.map((piece) =>
        JSON.stringify(String.fromCharCode(...piece))
      );
      throw new Error(
        `Input ${number} of seed ${seed}, ${
          hasBegun ? "later" : "first"
        }, in pieces ${shownPieces.join(" + ")}`,
        { cause: error },
      );
    }
  }
}

function check(
  pieces: readonly Uint8Array<ArrayBuffer>[],
  hasBegun: boolean,
): void {
  const readings = readPlainly(pieces, hasBegun);
  const expected = readings.map(({ message }) => meaning(message));
  same(readHere(pieces, hasBegun).map(withoutReason), expected);
  // As the pools have it whose Workers decode what another thread has framed,
  // which keeps some requests to itself: removals here, since they are frequent.
  same(readElsewhere(pieces, hasBegun).map(withoutReason), expected);
  for (const [i, { frame }] of readings.entries()) {
    const decoded = outcome(() => decodeGeneral(frame));
    same([outcome(() => decodeRequest(frame, 0, frame.length))], [decoded]);
    if (expected[i] !== "!") same([decoded], [expected[i]]);
  }
}

/** Spelled by hand, since it is a million times that nothing is wrong. */
function same(actual: readonly string[], expected: readonly string[]): void {
  if (
    actual.length === expected.length &&
    actual.every((text, i) => text === expected[i])
  ) return;
  throw new Error(
    `Read as ${JSON.stringify(actual)}, expected ${JSON.stringify(expected)}`,
  );
}

function readHere(pieces: readonly Uint8Array[], hasBegun: boolean): string[] {
  const requests = new RequestBuffer();
  if (hasBegun) requests.hasBegun = true;
  const taken: string[] = [];
  for (const piece of pieces) {
    feed(requests, piece, () => taken.push(...takeAll(requests)));
    if (requests.isBroken) return taken;
  }
  requests.end();
  return [...taken, ...takeAll(requests)];
}

function readElsewhere(
  pieces: readonly Uint8Array[],
  hasBegun: boolean,
): string[] {
  const requests = new RequestBuffer();
  if (hasBegun) requests.hasBegun = true;
  const there = new RequestBuffer();
  there.end();
  const taken: string[] = [];
  const takeBatch = () => {
    for (;;) {
      const batch = requests.takeFrames();
      if (batch.length === 0) break;
      there.hasBegun = requests.hasBegun;
      there.space(batch.length).set(batch);
      there.commit(batch.length);
      // Removals are for the thread that read them.
      let isOwnNext = false;
      while (!isOwnNext) {
        const { position } = there;
        const request = there.next();
        if (request === undefined) break;
        isOwnNext = request.kind === "remove";
        if (isOwnNext) there.rewind(position);
        else taken.push(shown(request));
      }
      if (there.isBroken) return requests.break();
      requests.hasBegun = there.hasBegun;
      if (!isOwnNext) break;
      const leftBytes = there.unusedBytes;
      there.break();
      there.rewind(there.position);
      requests.rewind(batch.byteOffset + batch.length - leftBytes);
      taken.push(shown(requests.next()!));
    }
    const error = requests.isBroken ? requests.next() : undefined;
    if (error !== undefined) taken.push(shown(error));
  };
  for (const piece of pieces) {
    feed(requests, piece, takeBatch);
    if (requests.isBroken) return taken;
  }
  requests.end();
  takeBatch();
  return taken;
}

function outcome(decode: () => KvsRequest): string {
  try {
    return shown(decode());
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return shown(error);
  }
}

function withoutReason(text: string): string {
  return text.startsWith("! ") ? "!" : text;
}

/** What a message is to be read as, as shown() puts it. */
function meaning(message: Reading["message"]): string {
  if (message === undefined) return "!";
  const [name, fields] = message;
  const { key, value, token } = fields;
  switch (name) {
    case "Set":
      return `set ${key}=${value}`;
    case "Auth":
      return `auth ${token}`;
    case "Snapshot":
      return `snapshot ${fields.release ?? false}`;
    case "Compact":
    case "Stats":
      return name.toLowerCase();
    case "Scan": {
      const { prefix, start, end, after, limit } = fields;
      const { reverse = false, keys: keysOnly = false } = fields;
      const range = { prefix, start, end, after, limit, reverse, keysOnly };
      return `scan ${JSON.stringify(range)}`;
    }
    default:
      return `${name.toLowerCase()} ${key}`;
  }
}
