/**
 * Random requests and streams, each in as many runs as the caller wants; a
 * failure prints the seed and the path that repeat it.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { AnswerBuffer } from "../../protocol/json/answer_buffer.ts";
import { decodeAnswer } from "../../protocol/answer.ts";
import { Executor } from "../../net/executor.ts";
import { ProtocolError } from "../../protocol/request.ts";
import {
  decodeGeneral,
  decodeRequest,
} from "../../protocol/json/request_decoder.ts";
import { RequestBuffer } from "../../protocol/json/request_buffer.ts";
import { MemoryEngine } from "../_memory_engine.ts";
import { aloneMonitor } from "../_monitor.ts";
import { feed, received, shown } from "./_feed.ts";
import { meaning, type Message, spell } from "./_spelling.ts";

const monitor = aloneMonitor();

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Text with a good share of what JSON and UTF-8 treat in a special way. */
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.string({ unit: "grapheme-ascii", maxLength: 24 }),
  fc.string({
    unit: fc.constantFrom(...'\0\b\t\n\f\r\x1f"\\/{}[]:,\x7fé\u2028€\ufeff😀'),
    maxLength: 12,
  }),
);

const message: fc.Arbitrary<Message> = fc.oneof(
  fc.tuple(text, text).map(([key, value]) => ({
    name: "Set",
    fields: [["key", key], ["value", value]] as const,
  })),
  text.map((key) => ({ name: "Get", fields: [["key", key]] as const })),
  text.map((key) => ({ name: "Remove", fields: [["key", key]] as const })),
  fc.constant({ name: "Compact", fields: [] }),
);

/** An endless choice of numbers, the same each time for the same input. */
const choices = fc.array(fc.nat(0xff), { minLength: 1, maxLength: 40 });

function chooser(numbers: readonly number[]): (count: number) => number {
  let i = 0;
  return (count) => numbers[i++ % numbers.length] % count;
}

const spelled = fc.tuple(message, choices).map(([message, numbers]) => ({
  expected: meaning(message),
  text: spell(message, chooser(numbers)),
}));

function outcome(decode: () => ReturnType<typeof decodeRequest>): string {
  try {
    return shown(decode());
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return shown(error);
  }
}

/** Checks that requests are understood however they are spelled. */
export function fuzzSpellings(runs: number): void {
  fc.assert(
    fc.property(spelled, ({ expected, text }) => {
      const bytes = encoder.encode(text);
      assertEquals(shown(decodeRequest(bytes, 0, bytes.length)), expected);
      assertEquals(shown(decodeGeneral(bytes)), expected);
      assertEquals(received(bytes), [expected]);
    }),
    { numRuns: runs },
  );
}

/** Checks that broken requests are decoded as the general decoder does. */
export function fuzzBroken(runs: number): void {
  const mutation = fc.record({
    at: fc.nat(0xffff),
    removed: fc.nat(3),
    inserted: fc.oneof(
      fc.uint8Array({ maxLength: 3 }),
      fc.constantFrom(...'"\\{}[]:,\n\r ').map((text) => encoder.encode(text)),
      fc.constantFrom('"}}', '","value":"', "{", "}}\n", "\\u12", "\\ud800")
        .map((text) => encoder.encode(text)),
    ),
  });
  fc.assert(
    fc.property(
      spelled,
      fc.array(mutation, { minLength: 1, maxLength: 3 }),
      ({ text }, mutations) => {
        let bytes = encoder.encode(text);
        for (const { at, removed, inserted } of mutations) {
          const cut = at % (bytes.length + 1);
          bytes = Uint8Array.of(
            ...bytes.subarray(0, cut),
            ...inserted,
            ...bytes.subarray(cut + removed),
          );
        }
        assertEquals(
          outcome(() => decodeRequest(bytes, 0, bytes.length)),
          outcome(() => decodeGeneral(bytes)),
        );
        // However it is framed, it is answered, and the next line is whole.
        const followed = Uint8Array.of(
          ...bytes,
          ...encoder.encode('\n{"Get":{"key":"next"}}\n'),
        );
        const later = received(followed, Infinity, { hasBegun: true });
        assertEquals(later.at(-1), "get next");
      },
    ),
    { numRuns: runs },
  );
}

/** Checks that the same requests are found however a stream is cut. */
export function fuzzCuts(runs: number): void {
  const part = fc.oneof(
    spelled.map(({ expected, text }) => ({ expected, text: `${text}\n` })),
    fc.tuple(message, fc.nat(0xff)).map(([message, at]) => {
      const text = spell(message, () => 1);
      // The line after a truncated one is of the kind that begins anew.
      return {
        expected: undefined,
        text: `${text.slice(0, 1 + at % (text.length - 1))}\n`,
      };
    }),
    fc.constantFrom("\n", "\r\n", " \n").map((text) => ({
      expected: "",
      text: `{"Compact":{}}${text}`,
    })),
  );
  fc.assert(
    fc.property(
      fc.array(part, { minLength: 1, maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 }),
      (parts, cuts) => {
        let text = "";
        const expected: string[] = [];
        for (const part of parts) {
          text += part.text;
          expected.push(
            part.expected === "" ? "compact" : part.expected ?? "!",
          );
          if (part.expected !== undefined) continue;
          text += '{"Compact":{}}\n';
          expected.push("compact");
        }
        const bytes = encoder.encode(text);
        const requests = new RequestBuffer();
        requests.hasBegun = true;
        const taken: string[] = [];
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const end = at + cuts[i % cuts.length];
          feed(requests, bytes.subarray(at, end));
          at = end;
          for (let next = requests.next(); next; next = requests.next()) {
            taken.push(next instanceof ProtocolError ? "!" : shown(next));
          }
        }
        assertEquals(taken, expected);
      },
    ),
    { numRuns: runs },
  );
}

/** Checks that requests are answered as a Map would, in any pieces. */
export async function fuzzExecute(runs: number): Promise<void> {
  const key = fc.constantFrom("", "a", "b", "\n", "é");
  const command = fc.oneof(
    fc.record({ name: fc.constant("Set"), key, value: text }),
    fc.record({ name: fc.constantFrom("Get", "Remove"), key }),
    fc.constant({ name: "nonsense", key: "" }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(command, { maxLength: 40 }),
      fc.integer({ min: 1, max: 500 }),
      fc.boolean(),
      async (commands, readBytes, isAsync) => {
        const model = new Map<string, string>();
        const engine = new MemoryEngine({ isAsync });
        const requests = new RequestBuffer();
        const answers = new AnswerBuffer();
        const expected: unknown[] = [];
        let input = "";
        for (const { name, ...fields } of commands) {
          input += `${JSON.stringify({ [name]: fields })}\n`;
          if (name === "Set" && "value" in fields) {
            model.set(fields.key, fields.value);
            expected.push({ ok: null });
          } else if (name === "Get") {
            expected.push({ ok: model.get(fields.key) ?? null });
          } else if (name === "Remove") {
            expected.push(
              model.delete(fields.key)
                ? { ok: null }
                : { err: "Key not found" },
            );
          } else {
            expected.push({
              err:
                'Unknown request "nonsense"; expected Set, Get, Remove, Scan, Snapshot, Compact, Stats or Auth',
            });
          }
        }
        const bytes = encoder.encode(input);
        for (let at = 0; at < bytes.length; at += readBytes) {
          feed(requests, bytes.subarray(at, at + readBytes));
          assert(
            await new Executor(engine, monitor).run(requests, answers) ===
              false,
          );
        }
        const lines = decoder.decode(answers.bytes()).split("\n").slice(0, -1);
        assertEquals(lines.map(decodeAnswer), expected);
      },
    ),
    { numRuns: runs },
  );
}
