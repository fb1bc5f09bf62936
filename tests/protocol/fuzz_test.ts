/**
 * The protocol against random input. The torture tests try more of it.
 *
 * @module
 */

import { seed } from "../torture/_settings.ts";
import { fuzz } from "./_fuzz.ts";
import {
  fuzzBroken,
  fuzzCuts,
  fuzzExecute,
  fuzzSpellings,
} from "./_fuzz_requests.ts";

Deno.test("decodeRequest() understands every spelling of every request", () =>
  fuzzSpellings(2_000));

Deno.test("decodeRequest() decodes broken input as the general decoder does", () =>
  fuzzBroken(2_000));

Deno.test("RequestBuffer finds the same requests however the stream is cut", () =>
  fuzzCuts(1_000));

Deno.test("execute() answers as a Map would, on any engine, in any pieces", () =>
  fuzzExecute(500));

Deno.test("RequestBuffer makes of any input what a plain reading of the protocol does", () =>
  fuzz(seed(), 0, 3_000));
