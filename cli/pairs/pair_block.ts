import { orderOf } from "../../engine/kvs/log/key_order.ts";

/** A key and its value, as UTF-8. */
export interface EncodedPair {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** The pairs that a block has room for at first. */
const INITIAL_PAIRS = 1_024;

/**
 * Pairs as offsets into the bytes that they were read from, since millions of
 * objects would keep the garbage collector busy.
 */
export class PairBlock implements Iterable<EncodedPair> {
  /** The bytes in which the keys and values are. */
  readonly bytes: Uint8Array;
  #count = 0;
  #keyStarts: Uint32Array = new Uint32Array(INITIAL_PAIRS);
  #keyEnds: Uint32Array = new Uint32Array(INITIAL_PAIRS);
  #valueStarts: Uint32Array = new Uint32Array(INITIAL_PAIRS);
  #valueEnds: Uint32Array = new Uint32Array(INITIAL_PAIRS);

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** The number of pairs. */
  get count(): number {
    return this.#count;
  }

  /** Adds a pair by the offsets of its key and value. */
  add(
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
  ): void {
    const place = this.#count++;
    if (place === this.#keyStarts.length) this.#grow();
    this.#keyStarts[place] = keyStart;
    this.#keyEnds[place] = keyEnd;
    this.#valueStarts[place] = valueStart;
    this.#valueEnds[place] = valueEnd;
  }

  /** A pair by its number, from 0, as views of the bytes. */
  at(place: number): EncodedPair {
    return {
      key: this.#view(this.#keyStarts[place], this.#keyEnds[place]),
      value: this.#view(this.#valueStarts[place], this.#valueEnds[place]),
    };
  }

  /** All pairs, in the order in which they were added. */
  *[Symbol.iterator](): Generator<EncodedPair, void> {
    for (let place = 0; place < this.#count; place++) yield this.at(place);
  }

  /** The numbers of the pairs in the order of their keys, which is stable. */
  keyOrder(): Uint32Array {
    return orderOf({
      bytes: this.bytes,
      starts: this.#keyStarts.subarray(0, this.#count),
      ends: this.#keyEnds.subarray(0, this.#count),
    });
  }

  #view(start: number, end: number): Uint8Array {
    const { buffer, byteOffset } = this.bytes;
    // subarray() takes several times as long.
    return new Uint8Array(buffer, byteOffset + start, end - start);
  }

  #grow(): void {
    this.#keyStarts = doubled(this.#keyStarts);
    this.#keyEnds = doubled(this.#keyEnds);
    this.#valueStarts = doubled(this.#valueStarts);
    this.#valueEnds = doubled(this.#valueEnds);
  }
}

function doubled(places: Uint32Array): Uint32Array {
  const larger = new Uint32Array(places.length * 2);
  larger.set(places);
  return larger;
}
