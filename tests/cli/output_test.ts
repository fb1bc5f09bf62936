import { assertEquals } from "@std/assert";
import { formatBytes } from "../../cli/_output.ts";

Deno.test("formatBytes() picks the unit that fits", () => {
  for (
    const [bytes, text] of [
      [0, "0 bytes"],
      [1023, "1023 bytes"],
      [1024, "1.0 KiB"],
      [1536, "1.5 KiB"],
      [1024 ** 2 * 20, "20.0 MiB"],
      [1024 ** 3, "1.0 GiB"],
      [1024 ** 5 * 3, "3072.0 TiB"],
    ] as const
  ) assertEquals(formatBytes(bytes), text);
});
