/**
 * The version of this program.
 *
 * @module
 */

import project from "./deno.json" with { type: "json" };

/** The version, such as `1.2.3`. */
export const VERSION = project.version;
