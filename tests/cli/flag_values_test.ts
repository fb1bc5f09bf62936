import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../cli/errors.ts";
import { parseBytes } from "../../cli/flag_values.ts";
import { formatBytes } from "../../cli/format.ts";

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

Deno.test("parseBytes() reads numbers with and without a unit", () => {
  for (
    const [text, bytes] of [
      ["0", 0],
      ["4096", 4096],
      ["64K", 65_536],
      ["64k", 65_536],
      ["512MiB", 512 * 1024 ** 2],
      ["2GB", 2 * 1024 ** 3],
      ["1T", 1024 ** 4],
    ] as const
  ) assertEquals(parseBytes(text, "x"), bytes);
});

Deno.test("parseBytes() names the flag of what is no number of bytes", () => {
  for (const text of ["", "K", "-1", "1.5G", "1e3", "12X", "1 G"]) {
    assertThrows(
      () => parseBytes(text, "index-size"),
      UsageError,
      `--index-size must be a number of bytes such as 4096 or 512M, found "${text}"`,
    );
  }
});
