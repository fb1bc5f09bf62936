import { toText } from "@std/streams/to-text";
import {
  checkPairSize,
  LARGEST_REQUEST_BYTES,
} from "../../protocol/request_limits.ts";
import type { Command } from "../command.ts";
import { UsageError } from "../errors.ts";
import { openFile } from "../inputs.ts";
import { TARGET_FLAGS, withTarget } from "../target_flags.ts";

const FLAGS = {
  ...TARGET_FLAGS,
  file: { argument: "FILE", help: "set the key to the contents of a file" },
};

/** `kvs set`. */
export const set: Command<typeof FLAGS> = {
  description: `Sets a key to a value. Prints nothing.

The value is VALUE, all of standard input if VALUE is -, or the contents of the file that --file names. A value that is not UTF-8 text is refused, and nothing is set.`,
  flags: FLAGS,
  examples: [
    'kvs set greeting "Hello, world"',
    "kvs set page - < page.html",
    "kvs set page --file page.html",
    "kvs set --dir ./data greeting Hello",
  ],
  async run({ file, ...flags }, [key, operand]) {
    const value = await readValue(key, operand, file);
    if (flags.dir !== undefined) {
      // Before a new directory is made.
      checkPairSize(utf8Bytes(key), utf8Bytes(value));
    }
    await withTarget(flags, (target) => target.set(key, value), {
      create: true,
    });
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
  // A byte order mark is part of the value.
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
