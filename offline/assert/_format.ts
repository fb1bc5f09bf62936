/** The greatest number of comparisons that a diff of two texts may take. */
const MAX_DIFF_CELLS = 4_000_000;

/** The greatest number of lines that a diff shows of one run of changes. */
const MAX_RUN_LINES = 200;

/** The number of equal lines that a diff shows around changes. */
const CONTEXT_LINES = 3;

/** The greatest length of a line that is shown whole. */
const MAX_LINE_LENGTH = 400;

/** The greatest number of elements of a collection that are shown. */
const MAX_ELEMENTS = 100_000;

/**
 * Spells a value over as many lines as it takes, in the same way for equal
 * values.
 *
 * @param value The value.
 * @returns Its text.
 */
export function format(value: unknown): string {
  return Deno.inspect(value, {
    breakLength: 80,
    colors: false,
    compact: false,
    depth: Infinity,
    getters: true,
    iterableLimit: MAX_ELEMENTS,
    sorted: true,
    strAbbreviateSize: Infinity,
    trailingComma: true,
  });
}

/**
 * Shows where two values differ.
 *
 * @param actual What is.
 * @param expected What should be.
 * @returns Lines that begin with `-` where they are only in `actual`, with `+`
 * where they are only in `expected`.
 */
export function formatDiff(actual: unknown, expected: unknown): string {
  const [before, after] = [actual, expected].map(toLines);
  const lines = shorten(diffLines(before, after))
    .map(({ sign, text }) => `    ${sign} ${text}`);
  return `\n\n    - actual\n    + expected\n\n${lines.join("\n")}\n`;
}

/** The lines of a value; those of a string are its own, broken where long. */
function toLines(value: unknown): string[] {
  if (typeof value !== "string") return format(value).split("\n");
  const lines = value.match(/[^\n]{0,199}\n|[^\n]{1,200}/gu) ?? [""];
  return lines.map((line) => JSON.stringify(line));
}

interface DiffLine {
  readonly sign: "-" | "+" | " ";
  readonly text: string;
}

function diffLines(
  before: readonly string[],
  after: readonly string[],
): DiffLine[] {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start++;
  let end = 0;
  while (end < shorter - start && before.at(-1 - end) === after.at(-1 - end)) {
    end++;
  }
  const lines = (sign: DiffLine["sign"], texts: readonly string[]) =>
    texts.map((text) => ({ sign, text }));
  const removed = before.slice(start, before.length - end);
  const added = after.slice(start, after.length - end);
  return [
    ...lines(" ", before.slice(0, start)),
    ...removed.length * added.length <= MAX_DIFF_CELLS
      ? diffMiddle(removed, added)
      : [...lines("-", removed), ...lines("+", added)],
    ...lines(" ", before.slice(before.length - end)),
  ];
}

/** Keeps a longest common subsequence of two texts. */
function diffMiddle(
  before: readonly string[],
  after: readonly string[],
): DiffLine[] {
  const width = after.length + 1;
  // common[i * width + j]: how much before[i...] and after[j...] share
  const common = new Uint32Array((before.length + 1) * width);
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      common[i * width + j] = before[i] === after[j]
        ? common[(i + 1) * width + j + 1] + 1
        : Math.max(common[(i + 1) * width + j], common[i * width + j + 1]);
    }
  }
  const lines: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      lines.push({ sign: " ", text: before[i++] });
      j++;
    } else if (
      j === after.length ||
      i < before.length &&
        common[(i + 1) * width + j] >= common[i * width + j + 1]
    ) {
      lines.push({ sign: "-", text: before[i++] });
    } else {
      lines.push({ sign: "+", text: after[j++] });
    }
  }
  return lines;
}

/** Leaves out what is far from a change, and cuts what is too long. */
function shorten(lines: readonly DiffLine[]): DiffLine[] {
  const shown: DiffLine[] = [];
  const isNearChange = (at: number) =>
    lines.slice(Math.max(0, at - CONTEXT_LINES), at + CONTEXT_LINES + 1)
      .some(({ sign }) => sign !== " ");
  let run = 0;
  for (const [at, line] of lines.entries()) {
    run = line.sign === lines[at - 1]?.sign ? run + 1 : 0;
    const show = line.sign === " " ? isNearChange(at) : run < MAX_RUN_LINES;
    if (show) shown.push({ sign: line.sign, text: cut(line.text) });
    else if (shown.at(-1)?.text !== "…") shown.push({ sign: " ", text: "…" });
  }
  return shown;
}

function cut(text: string): string {
  if (text.length <= MAX_LINE_LENGTH) return text;
  const half = MAX_LINE_LENGTH / 2;
  return `${text.slice(0, half)}…${
    text.slice(-half)
  } (${text.length} characters)`;
}
