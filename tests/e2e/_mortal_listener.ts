/**
 * A Worker of the pool `reuse-port` that obeys the files in a directory.
 *
 * @module
 */

import "../../pool/reuse_port_worker.ts";
import { obey } from "./_mortal.ts";

obey(import.meta.url);
