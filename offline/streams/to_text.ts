/**
 * Stands in for `@std/streams/to-text`.
 *
 * @module
 */

/**
 * Reads a stream to its end as text.
 *
 * @param stream The stream, of strings or of bytes in UTF-8.
 * @returns All of its text.
 */
export async function toText(
  stream: ReadableStream<string> | ReadableStream<Uint8Array>,
): Promise<string> {
  const decoder = new TextDecoder();
  const parts: string[] = [];
  const chunks: AsyncIterable<string | Uint8Array> = stream;
  for await (const chunk of chunks) {
    parts.push(
      typeof chunk === "string"
        ? chunk
        : decoder.decode(chunk, { stream: true }),
    );
  }
  return parts.join("") + decoder.decode();
}
