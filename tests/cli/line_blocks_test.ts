import { assertEquals } from "@std/assert";
import { lineBlocks } from "../../cli/_line_blocks.ts";

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
  assertEquals(await blocksOf("a\nbc\nd", 100), ["a\nbc\n", "d"]);
});

Deno.test("lineBlocks() gives lines longer than its buffer", async () => {
  const long = `${"x".repeat(5_000_000)}\n`;
  const blocks = await blocksOf(`a\n${long}b\n${long}`, 700_000);
  assertEquals(blocks.join(""), `a\n${long}b\n${long}`);
  assertEquals(blocks.length < 10, true);
});
