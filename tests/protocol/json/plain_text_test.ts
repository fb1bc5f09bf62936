import { assert, assertEquals } from "@std/assert";
import { skipPlainText } from "../../../protocol/json/bytes.ts";

function isPlain(byte: number): boolean {
  return byte >= 0x20 && byte < 0x80 && byte !== 0x22 && byte !== 0x5c;
}

Deno.test("skipPlainText() stops at each byte that needs a look, and at no other", () => {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  // Each pair of neighbours, so that borrows between them are met.
  for (let first = 0; first < 256; first++) {
    for (let second = 0; second < 256; second++) {
      for (let from = 0; from < 4; from++) {
        bytes.fill(0x7f);
        bytes[7] = first;
        bytes[8] = second;
        const end = skipPlainText(view, from, bytes.length);
        const stop = isPlain(first) ? isPlain(second) ? 16 : 8 : 7;
        assert(
          end <= stop && end > stop - 4,
          `${first} ${second} from ${from}: ${end} for ${stop}`,
        );
      }
    }
  }
});

Deno.test("skipPlainText() does not look beyond the limit", () => {
  const view = new DataView(new TextEncoder().encode("abcdefgh").buffer);
  for (let limit = 0; limit <= 8; limit++) {
    for (let from = 0; from <= limit; from++) {
      const end = skipPlainText(view, from, limit);
      assertEquals(end, limit - (limit - from) % 4);
    }
  }
});
