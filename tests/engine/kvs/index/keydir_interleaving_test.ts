import {
  testInterruptedReaders,
  testInterruptedWriters,
} from "../_interleaving.ts";

// The torture tests interrupt each step.
testInterruptedReaders(3);
testInterruptedWriters();
