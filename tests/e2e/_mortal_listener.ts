/**
 * A Worker of the pool `reuse-port` that can be made to die.
 *
 * @module
 */

import "../../pool/reuse_port_worker.ts";
import { dieOnDemand } from "./_mortal.ts";

dieOnDemand(import.meta.url);
