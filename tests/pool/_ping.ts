/**
 * What the threads of a test with tokens share.
 *
 * @module
 */

import { EVENT_COUNT_WORDS } from "../../engine/sync/event_count.ts";

/** Where it is announced that tokens are offered… */
export const OFFERED = 0;
/** …and that they are taken. */
export const TAKEN = OFFERED + EVENT_COUNT_WORDS;
/** How many tokens there are to take; less than none is the end. */
export const TOKENS = TAKEN + EVENT_COUNT_WORDS;
/** How many were taken. */
export const DONE = TOKENS + 1;
/** How many words all that takes. */
export const WORDS = DONE + 1;

/** Longer than the test waits: a wake-up that is lost is never made up for. */
export const SLEEP_MS = 600_000;
