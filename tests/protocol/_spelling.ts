/**
 * The many ways in which JSON spells a request.
 *
 * @module
 */

/** A request that is to be spelled. */
export interface Message {
  readonly name: string;
  readonly fields: readonly (readonly [string, string])[];
}

/**
 * Says what a message is to be decoded to.
 *
 * @param message The message.
 * @returns The same as shown() makes of the request.
 */
export function meaning({ name, fields }: Message): string {
  const [key, value] = fields.map(([, text]) => text);
  if (key === undefined) return "compact";
  return `${name.toLowerCase()} ${
    value === undefined ? key : `${key}=${value}`
  }`;
}

const SHORT_ESCAPES = new Map(
  Object.entries({
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\f": "\\f",
    "\r": "\\r",
    '"': '\\"',
    "\\": "\\\\",
    "/": "\\/",
  }),
);

function spellText(text: string, choose: (count: number) => number): string {
  let spelled = "";
  for (let i = 0; i < text.length; i++) {
    const unit = text[i];
    const code = text.charCodeAt(i);
    const hex = code.toString(16).padStart(4, "0");
    const mustEscape = code < 0x20 || unit === '"' || unit === "\\";
    switch (choose(8)) {
      case 0:
        spelled += `\\u${hex}`;
        break;
      case 1:
        spelled += `\\u${hex.toUpperCase()}`;
        break;
      case 2:
        spelled += SHORT_ESCAPES.get(unit) ?? (mustEscape ? `\\u${hex}` : unit);
        break;
      default:
        spelled += mustEscape ? SHORT_ESCAPES.get(unit) ?? `\\u${hex}` : unit;
    }
  }
  // A pair of surrogates of which one half is escaped is no text.
  return `"${
    spelled.isWellFormed() ? spelled : JSON.stringify(text).slice(1, -1)
  }"`;
}

/**
 * Spells a message in one of the many ways of JSON.
 *
 * @param message The message.
 * @param choose Chooses a number from 0 to below one.
 * @returns The text.
 */
export function spell(
  { name, fields }: Message,
  choose: (count: number) => number,
): string {
  const isUsual = choose(3) > 0;
  const usualBlank = choose(2) === 0 ? "" : " ";
  const blank = () => isUsual ? "" : ["", " ", "\t", "\n ", "\r\n "][choose(5)];
  const afterSign = () => isUsual ? usualBlank : blank();
  const ordered = !isUsual && choose(2) === 0 ? fields.toReversed() : fields;
  const duplicated = fields.length > 0 && !isUsual && choose(2) === 0
    ? [[ordered[0][0], "overwritten"] as const, ...ordered]
    : ordered;
  const plain = isUsual && choose(2) === 0;
  const spelledText = (text: string) =>
    plain ? JSON.stringify(text) : spellText(text, choose);
  const body = duplicated.map(([field, text]) =>
    `${blank()}${
      isUsual ? `"${field}"` : spelledText(field)
    }${blank()}:${afterSign()}${spelledText(text)}${blank()}`
  ).join(`,${afterSign()}`);
  const head = isUsual ? `"${name}"` : spelledText(name);
  return `{${blank()}${head}${blank()}:${afterSign()}{${body}}${blank()}}`;
}
