/**
 * Replaces `@std/streams/to-text`.
 *
 * @module
 */

export { text as toText } from "node:stream/consumers";
