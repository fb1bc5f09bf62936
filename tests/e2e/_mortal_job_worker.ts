/**
 * A Worker of the job pools that obeys the files in a directory.
 *
 * @module
 */

import "../../pool/job_worker.ts";
import { obey } from "./_mortal.ts";

obey(import.meta.url);
