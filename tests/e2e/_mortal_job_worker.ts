/**
 * A Worker of the job pools that can be made to die.
 *
 * @module
 */

import "../../pool/job_worker.ts";
import { dieOnDemand } from "./_mortal.ts";

dieOnDemand(import.meta.url);
