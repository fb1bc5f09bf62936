import { toText } from "@std/streams/to-text";
import {
  checkPairSize,
  LARGEST_REQUEST_BYTES,
} from "../../protocol/request_limits.ts";
import { parseCommandArgs } from "../args.ts";
import type { Command } from "../command.ts";
import { UsageError } from "../errors.ts";
import { openFile } from "../secrets.ts";
import {
  TARGET_FLAGS,
  TARGET_HELP,
  TARGET_SWITCHES,
  withTarget,
} from "../target.ts";

/** `kvs set`. */
export const set: Command = {
  help: `Sets a key to a value. Prints nothing.

Usage: kvs set KEY VALUE [OPTIONS]
       kvs set KEY --file FILE [OPTIONS]

A VALUE of - is read from standard input, all of it. A value must be UTF-8 text;
any other is refused, and nothing is set.

Options:
${TARGET_HELP}  --file FILE       set the key to what is in a file
  -h, --help        show this help

Examples:
  kvs set greeting "Hello, world"
  kvs set page - < page.html
  kvs set page --file page.html
  kvs set --dir ./data greeting Hello
`,
  async run(args) {
    const parsed = parseCommandArgs(
      args,
      {
        values: { ...TARGET_FLAGS, file: undefined },
        switches: TARGET_SWITCHES,
      },
      ["KEY", "[VALUE]"],
    );
    const [key, operand] = parsed.operands;
    const value = await readValue(key, operand, parsed.value("file"));
    if (parsed.value("dir") !== undefined) {
      // Before a new directory is made
      checkPairSize(utf8Bytes(key), utf8Bytes(value));
    }
    await withTarget(
      parsed,
      async (target) => await target.set(key, value),
      true,
    );
    return 0;
  },
};

function utf8Bytes(text: string): number {
  return new TextEncoder().encode(text).length;
}

async function readValue(
  key: string,
  operand: string | undefined,
  path: string | undefined,
): Promise<string> {
  if (path !== undefined && operand !== undefined) {
    throw new UsageError("VALUE and --file exclude each other");
  }
  if (path !== undefined) {
    using file = openFile("file", path);
    return await readText(key, `"${path}"`, file.readable);
  }
  if (operand === undefined) throw new UsageError("VALUE is missing");
  if (operand !== "-") return operand;
  return await readText(key, "standard input", Deno.stdin.readable);
}

async function readText(
  key: string,
  name: string,
  bytes: ReadableStream<Uint8Array<ArrayBuffer>>,
): Promise<string> {
  // A byte order mark is a part of the value like any other.
  const options = { fatal: true, ignoreBOM: true };
  try {
    return await toText(
      bytes.pipeThrough(bounded(name))
        .pipeThrough(new TextDecoderStream("utf-8", options)),
    );
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new Error(
      `Cannot set ${JSON.stringify(key)}: ${name} is not UTF-8 text`,
    );
  }
}

/** Ends with an error where no server takes a value so long. */
function bounded(
  name: string,
): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let leftBytes = LARGEST_REQUEST_BYTES;
  return new TransformStream({
    transform(chunk, controller) {
      leftBytes -= chunk.length;
      if (leftBytes < 0) {
        throw new RangeError(
          `Cannot read ${name}: it is longer than ${LARGEST_REQUEST_BYTES} bytes`,
        );
      }
      controller.enqueue(chunk);
    },
  });
}
