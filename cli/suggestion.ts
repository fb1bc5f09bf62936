/** Such as `did you mean "get"?`, or `undefined` if no name is near. */
export function suggestionFor(
  typed: string,
  names: readonly string[],
): string | undefined {
  // One edit per three letters: with more, "rm" would be near "ls".
  let best = Math.max(1, Math.floor(typed.replace(/^-+/, "").length / 3)) + 1;
  let nearest: string | undefined;
  for (const name of names) {
    const distance = editDistance(typed.toLowerCase(), name);
    if (distance < best) [best, nearest] = [distance, name];
  }
  return nearest && `did you mean "${nearest}"?`;
}

/**
 * The number of insertions, deletions, replacements and swaps of neighbours
 * between two texts (optimal string alignment).
 */
function editDistance(a: string, b: string): number {
  let [before, last] = [[] as number[], [] as number[]];
  for (let i = 0; i <= a.length; i++) {
    const row: number[] = [];
    for (let j = 0; j <= b.length; j++) {
      if (i === 0 || j === 0) {
        row.push(i + j);
        continue;
      }
      const replaced = last[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] &&
        a[i - 2] === b[j - 1];
      row.push(Math.min(
        replaced,
        last[j] + 1,
        row[j - 1] + 1,
        isSwap ? before[j - 2] + 1 : Infinity,
      ));
    }
    [before, last] = [last, row];
  }
  return last[b.length];
}
