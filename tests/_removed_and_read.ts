/**
 * Looking at the descriptors of this process.
 *
 * @module
 */

/**
 * Lists the files of a log that are open for reading though they are removed.
 *
 * @param dir The data directory.
 * @returns Their paths, as the system spells them.
 */
export function removedAndRead(dir: string): string[] {
  const root = Deno.realPathSync(dir);
  return [...Deno.readDirSync("/proc/self/fd")].flatMap(({ name }) => {
    try {
      const link = `/proc/self/fd/${name}`;
      const path = Deno.readLinkSync(link);
      const isGone = path.startsWith(root) && path.endsWith(".log (deleted)");
      // What an instance has written to it keeps open until it writes again.
      const isRead = (Deno.lstatSync(link).mode! & 0o400) !== 0;
      return isGone && isRead ? [path] : [];
    } catch {
      // The one of this listing.
      return [];
    }
  });
}
