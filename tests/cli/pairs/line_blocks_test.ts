import { assertEquals, assertRejects } from "@std/assert";
import { until } from "../../_deadline.ts";
import { lineBlocks } from "../../../cli/pairs/line_blocks.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A source that gives no more than so many bytes at a time. */
function sourceOf(text: string, readBytes: number) {
  const bytes = encoder.encode(text);
  let at = 0;
  return {
    read(into: Uint8Array): Promise<number | null> {
      if (at === bytes.length) return Promise.resolve(null);
      const part = bytes.subarray(at, at + Math.min(readBytes, into.length));
      into.set(part);
      at += part.length;
      return Promise.resolve(part.length);
    },
  };
}

async function blocksOf(text: string, readBytes: number): Promise<string[]> {
  const blocks: string[] = [];
  for await (const block of lineBlocks(sourceOf(text, readBytes))) {
    blocks.push(decoder.decode(block));
  }
  return blocks;
}

Deno.test("lineBlocks() gives whole lines, however they are read", async () => {
  for (const text of ["", "\n", "a", "a\nbc\n\ndef", "a\nbc\n"]) {
    for (const readBytes of [1, 2, 3, 100]) {
      const blocks = await blocksOf(text, readBytes);
      assertEquals(blocks.join(""), text);
      for (const block of blocks.slice(0, -1)) {
        assertEquals(block.endsWith("\n"), true);
      }
      assertEquals(blocks.includes(""), false);
    }
  }
});

Deno.test("lineBlocks() gives lines longer than its buffer", async () => {
  const long = `${"x".repeat(20_000_000)}\n`;
  const blocks = await blocksOf(`a\n${long}b\n${long}`, 700_000);
  assertEquals(blocks.join(""), `a\n${long}b\n${long}`);
  assertEquals(blocks.length < 10, true);
});

Deno.test("lineBlocks() gathers what comes in pieces", async () => {
  const text = "a line of text\n".repeat(70_000);
  assertEquals(await blocksOf(text, 64 * 1024), [text]);
  const long = text.repeat(20);
  const blocks = await blocksOf(long, 1_000_000);
  assertEquals(blocks.every((block) => block.endsWith("text\n")), true);
  assertEquals(blocks.length, 3);
  assertEquals(blocks.join("") === long, true);
});

Deno.test("lineBlocks() keeps no line back while the source has nothing more", async () => {
  const reads: ((bytes: string | Error | null) => void)[] = [];
  const source = {
    read(into: Uint8Array): Promise<number | null> {
      const { promise, resolve, reject } = Promise.withResolvers<
        number | null
      >();
      reads.push((bytes) => {
        if (bytes instanceof Error) reject(bytes);
        else if (bytes === null) resolve(null);
        else resolve(encoder.encodeInto(bytes, into).written);
      });
      return promise;
    },
  };
  const blocks = lineBlocks(source);
  const next = async () => decoder.decode((await blocks.next()).value!);
  let block = next();
  reads.shift()!("a\nb\nc");
  assertEquals(await block, "a\nb\n");
  // The rest of the third line is on its way while those two are dealt with.
  reads.shift()!("d\ne\n");
  block = next();
  assertEquals(await block, "cd\ne\n");
  block = next();
  reads.shift()!("f\n");
  await null;
  // What came before a failure comes before its error.
  await until("the next read", () => reads.length > 0);
  reads.shift()!(new Error("no pipe"));
  assertEquals(await block, "f\n");
  await assertRejects(() => blocks.next(), Error, "no pipe");
});
