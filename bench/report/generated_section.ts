/**
 * Parts of a document that a program writes.
 *
 * @module
 */

/**
 * Replaces a generated part of a document: what stands between
 * `<!-- begin NAME -->` and `<!-- end NAME -->`.
 *
 * @param text The document.
 * @param name The part's name.
 * @param content What is to stand there.
 * @returns The document, changed.
 * @throws {Error} If the document has no such part.
 */
export function replaceSection(
  text: string,
  name: string,
  content: string,
): string {
  const begin = `<!-- begin ${name} -->\n`;
  const end = `<!-- end ${name} -->`;
  const from = text.indexOf(begin);
  const to = text.indexOf(end, from);
  if (from < 0 || to < 0) {
    throw new Error(`Cannot write section "${name}": the document has none`);
  }
  return `${text.slice(0, from + begin.length)}\n${content.trim()}\n\n${
    text.slice(to)
  }`;
}
