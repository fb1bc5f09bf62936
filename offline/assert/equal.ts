/** Objects whose text says all there is to compare. */
const COMPARED_BY_TEXT = [RegExp, URL, URLSearchParams, Intl.Locale];

/** Pairs of objects whose comparison is under way, by the first of each. */
type Pairs = Map<object, Set<object>>;

/**
 * Compares two values deeply: their prototypes, their properties, the contents
 * of maps, sets and buffers. `NaN` equals `NaN`, and `0` equals `-0`.
 *
 * @param a One value.
 * @param b The other.
 * @returns Whether they are equal.
 * @throws {TypeError} If two weak collections are compared.
 */
export function equal(a: unknown, b: unknown): boolean {
  return compare(a, b, new Map());
}

function compare(a: unknown, b: unknown, pending: Pairs): boolean {
  if (a === b || Object.is(a, b)) return true;
  if (!isObject(a) || !isObject(b) || !haveSamePrototype(a, b)) return false;
  // Two cycles are equal unless a difference shows elsewhere on the way round
  let others = pending.get(a);
  if (others?.has(b)) return true;
  if (others === undefined) pending.set(a, others = new Set());
  others.add(b);
  try {
    return compareObjects(a, b, pending);
  } finally {
    others.delete(b);
  }
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** An object without a prototype counts as a plain one. */
function haveSamePrototype(a: object, b: object): boolean {
  const [first, second] = [a, b].map((object) =>
    Object.getPrototypeOf(object) ?? Object.prototype
  );
  return first === second;
}

function compareObjects(a: object, b: object, pending: Pairs): boolean {
  if (a instanceof WeakMap || a instanceof WeakSet) {
    throw new TypeError(`Cannot compare ${a.constructor.name} instances`);
  }
  if (a instanceof WeakRef && b instanceof WeakRef) {
    return compare(a.deref(), b.deref(), pending);
  }
  if (a instanceof Date && b instanceof Date) {
    return Object.is(a.getTime(), b.getTime());
  }
  if (COMPARED_BY_TEXT.some((type) => a instanceof type)) {
    return String(a) === String(b);
  }
  if (isBuffer(a) && isBuffer(b)) {
    return compareElements(new Uint8Array(a), new Uint8Array(b));
  }
  if (a instanceof DataView && b instanceof DataView) {
    return compareElements(bytesOf(a), bytesOf(b));
  }
  if (ArrayBuffer.isView(a) && ArrayBuffer.isView(b)) {
    return compareElements(a as TypedArray, b as TypedArray);
  }
  if (a instanceof Set && b instanceof Set) {
    if (!compareEntries(toEntries(a), toEntries(b), pending)) return false;
  } else if (a instanceof Map && b instanceof Map) {
    if (!compareEntries(a, b, pending)) return false;
  }
  return compareProperties(a, b, pending);
}

type TypedArray = Uint8Array | BigUint64Array;

function isBuffer(value: object): value is ArrayBufferLike {
  return value instanceof ArrayBuffer || value instanceof SharedArrayBuffer;
}

function bytesOf({ buffer, byteOffset, byteLength }: DataView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function compareElements(a: TypedArray, b: TypedArray): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at++) {
    if (a[at] !== b[at] && !Object.is(a[at], b[at])) return false;
  }
  return true;
}

function toEntries(set: ReadonlySet<unknown>): Map<unknown, unknown> {
  return new Map([...set].map((value) => [value, undefined]));
}

/** Finds for each entry an equal one, in any order. */
function compareEntries(
  a: ReadonlyMap<unknown, unknown>,
  b: ReadonlyMap<unknown, unknown>,
  pending: Pairs,
): boolean {
  if (a.size !== b.size) return false;
  const unmatched = new Set(b.keys());
  const deferred: unknown[] = [];
  for (const [key, value] of a) {
    if (b.has(key) && compare(value, b.get(key), pending)) {
      unmatched.delete(key);
    } else if (isObject(key)) {
      deferred.push(key);
    } else {
      return false;
    }
  }
  return deferred.every((key) => {
    for (const other of unmatched) {
      if (!compare(key, other, pending)) continue;
      if (!compare(a.get(key), b.get(other), pending)) continue;
      return unmatched.delete(other);
    }
    return false;
  });
}

function compareProperties(a: object, b: object, pending: Pairs): boolean {
  for (const key of keysOf(a).union(keysOf(b))) {
    if (!(key in a) || !(key in b)) return false;
    if (!compare(Reflect.get(a, key), Reflect.get(b, key), pending)) {
      return false;
    }
  }
  return true;
}

/** The keys of an object and of its class, whose getters may show a state. */
function keysOf(object: object): Set<PropertyKey> {
  const keys = new Set<PropertyKey>();
  let at: object | null = object;
  while (at !== null && at !== Object.prototype && at !== Array.prototype) {
    const isCollection = at === Map.prototype || at === Set.prototype;
    if (!isCollection) Reflect.ownKeys(at).forEach((key) => keys.add(key));
    at = Object.getPrototypeOf(at);
  }
  return keys;
}
