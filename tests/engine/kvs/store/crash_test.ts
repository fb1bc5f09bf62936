import { crashInLife, crashInRepair, failInLife } from "../_crashes.ts";

// The torture tests try every step.
const EVERY = 5;

Deno.test("A store keeps every acknowledged write through a crash at a step of its life", () =>
  crashInLife(EVERY));

Deno.test("A store keeps every acknowledged write when a step of its life fails", () =>
  failInLife(EVERY));

Deno.test("repairStore() loses nothing that can be read through a crash at a step", () =>
  crashInRepair(EVERY));
