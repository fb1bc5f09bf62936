import { assertEquals, assertRejects } from "@std/assert";
import { toText } from "../../offline/streams/to_text.ts";

Deno.test("toText() reads a stream of strings to its end", async () => {
  assertEquals(
    await toText(ReadableStream.from(["Hello, ", "world!"])),
    "Hello, world!",
  );
  assertEquals(await toText(ReadableStream.from<string>([])), "");
});

Deno.test("toText() reads bytes as UTF-8, also where a chunk ends inside a character", async () => {
  const bytes = new TextEncoder().encode("aé€😀");
  const single = Array.from(bytes, (byte) => Uint8Array.of(byte));
  assertEquals(await toText(ReadableStream.from(single)), "aé€😀");
  const cut = ReadableStream.from([bytes.subarray(0, -1)]);
  assertEquals(await toText(cut), "aé€\uFFFD");
});

Deno.test("toText() fails as the stream does", async () => {
  const stream = new ReadableStream<string>({
    pull(controller) {
      controller.error(new Error("no more"));
    },
  });
  await assertRejects(() => toText(stream), Error, "no more");
});
