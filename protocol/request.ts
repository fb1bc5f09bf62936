/**
 * The kinds of requests, and what is wrong with bytes that are none.
 *
 * @module
 */

import type { ScanRange } from "../engine/engine.ts";

/** Where the fields of one request are read from, by name. */
export interface RequestFields {
  /** UTF-8 text; a field that is missing is an error. */
  text(name: string): Uint8Array;
  /** UTF-8 text, or `undefined` where the field is missing. */
  optionalText(name: string): Uint8Array | undefined;
  /** A boolean, by default `false`. */
  flag(name: string): boolean;
  /** A whole number from 1 to `max`, or `undefined` where it is missing. */
  count(name: string, max: number): number | undefined;
}

/**
 * The kinds of requests, and what each carries. Keys and values are UTF-8 text;
 * they may be views of the bytes that the request was decoded from.
 *
 * To add a kind, add it here, to {@linkcode REQUESTS} and to the executor;
 * decoder, counters, stats and metrics derive from this.
 */
export interface RequestTypes {
  /** Sets a key to a value. */
  readonly set: { readonly key: Uint8Array; readonly value: Uint8Array };
  /** Asks for the value of a key. */
  readonly get: { readonly key: Uint8Array };
  /** Removes a key; with a `value`, so that it is a write of the engine. */
  readonly remove: { readonly key: Uint8Array; readonly value: undefined };
  /** Asks for a page of entries. */
  readonly scan: { readonly range: ScanRange };
  /** Takes the connection's snapshot, or releases it. */
  readonly snapshot: { readonly isRelease: boolean };
  /** Gives the space of overwritten and removed values back. */
  readonly compact: unknown;
  /** Asks what the server is like. */
  readonly stats: unknown;
  /** Shows the token. */
  readonly auth: { readonly token: Uint8Array };
}

/** A kind of request. */
export type RequestKind = keyof RequestTypes;

/** A request, told apart by `kind`. */
export type KvsRequest = {
  [Kind in RequestKind]: { readonly kind: Kind } & RequestTypes[Kind];
}[RequestKind];

/** The most entries of one answer to a scan. */
const MAX_PAGE_ENTRIES = 10_000;

/** For each kind of request its name on the wire, and how it is read. */
export const REQUESTS: {
  readonly [Kind in RequestKind]: {
    readonly name: string;
    readonly read: (fields: RequestFields) => RequestTypes[Kind];
  };
} = {
  set: {
    name: "Set",
    read: (fields) => ({
      key: fields.text("key"),
      value: fields.text("value"),
    }),
  },
  get: { name: "Get", read: (fields) => ({ key: fields.text("key") }) },
  remove: {
    name: "Remove",
    read: (fields) => ({ key: fields.text("key"), value: undefined }),
  },
  scan: {
    name: "Scan",
    read: (fields) => ({
      range: {
        prefix: fields.optionalText("prefix"),
        start: fields.optionalText("start"),
        end: fields.optionalText("end"),
        after: fields.optionalText("after"),
        limit: fields.count("limit", MAX_PAGE_ENTRIES),
        reverse: fields.flag("reverse"),
        keysOnly: fields.flag("keys"),
      },
    }),
  },
  snapshot: {
    name: "Snapshot",
    read: (fields) => ({ isRelease: fields.flag("release") }),
  },
  compact: { name: "Compact", read: () => ({}) },
  stats: { name: "Stats", read: () => ({}) },
  auth: { name: "Auth", read: (fields) => ({ token: fields.text("token") }) },
};

/** All kinds of requests. */
export const REQUEST_KINDS = Object.keys(REQUESTS) as readonly RequestKind[];

/** Options of {@linkcode ProtocolError}. */
export interface ProtocolErrorOptions {
  /**
   * Whether the connection must close, since the end of the request cannot be
   * told, or the client speaks another protocol.
   *
   * @default {false}
   */
  readonly fatal?: boolean;
  /**
   * Whether the bytes are no JSON object at all, rather than a wrong one.
   *
   * @default {false}
   */
  readonly malformed?: boolean;
}

/** Says why bytes are not a request of the protocol. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  /** Tells it apart from the requests among which it stands. */
  readonly kind = "invalid";
  /** Whether the connection must close once this error is answered. */
  readonly fatal: boolean;
  /** Whether the bytes are no JSON object at all. */
  readonly malformed: boolean;

  constructor(
    message: string,
    { fatal = false, malformed = false }: ProtocolErrorOptions = {},
  ) {
    super(message);
    this.fatal = fatal;
    this.malformed = malformed;
  }
}
