/**
 * File operations that survive a power failure.
 *
 * @module
 */

/**
 * Makes the names in a directory durable: a file that was created, renamed or
 * removed there stays so after a power failure.
 *
 * @param path The directory.
 * @throws {Deno.errors.NotFound} If there is no such directory.
 */
export function syncDirectory(path: string): void {
  using directory = openDirectory(path);
  directory?.syncSync();
}

/**
 * Opens a directory to sync it later, for callers to whom it matters which of
 * the two failed: see {@linkcode syncDirectory}.
 *
 * @param path The directory.
 * @returns The directory; `undefined` where its names are durable anyway.
 * @throws {Deno.errors.NotFound} If there is no such directory.
 */
export function openDirectory(path: string): Deno.FsFile | undefined {
  // Windows cannot open a directory as a file, and NTFS journals its names.
  if (Deno.build.os === "windows") return undefined;
  return Deno.openSync(path, { read: true });
}

/**
 * Replaces a whole file at once: after a crash at any point the old content is
 * there, or the new one, never a part. What it leaves behind if it dies is
 * `path` with `.tmp` at the end, which the next call overwrites.
 *
 * @param path The file, in an existing directory; made if it is not there, for
 * its owner alone to read and write.
 * @param content The new content.
 */
export function writeFileAtomic(path: string, content: Uint8Array): void {
  replaceFile(path, (file) => writeAll(file, content));
}

/**
 * Like {@linkcode writeFileAtomic}, for content that comes in pieces.
 *
 * @param path The file.
 * @param fill Writes the new content to the file it is given.
 * @throws What `fill` throws; the old content stays then, and nothing else.
 */
export function replaceFile(
  path: string,
  fill: (file: Deno.FsFile) => void,
): void {
  const temporary = `${path}.tmp`;
  // What a crash left, or a link: what that leads to must stay as it is.
  removeFileIfExists(temporary);
  const file = Deno.openSync(temporary, {
    write: true,
    createNew: true,
    mode: 0o600,
  });
  try {
    using _ = file;
    fill(file);
    // Before the rename, or a power failure could leave the name without the
    // content.
    file.syncSync();
  } catch (error) {
    // A part of it on a full disk would keep the space that is wanted.
    removeIfExists(temporary);
    throw error;
  }
  Deno.renameSync(temporary, path);
  syncDirectory(parentDirectory(path));
}

/**
 * Lists what is in a directory.
 *
 * @param directory The directory.
 * @returns The names of its files, directories and links.
 */
export function fileNames(directory: string): Set<string> {
  return new Set(Array.from(Deno.readDirSync(directory), ({ name }) => name));
}

/**
 * Tells whether there is something of a name.
 *
 * @param path The path.
 * @returns Whether a file, a directory or a link is there.
 */
export function fileExists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Removes a file if it is there. {@linkcode syncDirectory} makes it durable.
 *
 * @param path The file.
 */
export function removeIfExists(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Removes a file or a link if it is there, but no directory. */
function removeFileIfExists(path: string): void {
  try {
    if (!Deno.lstatSync(path).isDirectory) Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * Names the directory that a file or directory is in.
 *
 * @param path A path, with or without separators at its end.
 * @returns Its parent: `"."` for a bare name.
 */
export function parentDirectory(path: string): string {
  const trimmed = path.replace(/[/\\]+$/, "");
  const end = Math.max(trimmed.lastIndexOf("/"), trimmed.lastIndexOf("\\"));
  return end < 0 ? "." : trimmed.slice(0, end + 1);
}

/** Writes all of `bytes`, however many calls that takes. */
export function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) {
    at += file.writeSync(at === 0 ? bytes : bytes.subarray(at));
  }
}

/**
 * Opens a file for reading.
 *
 * @param path The file.
 * @returns The file; `undefined` where there is none.
 */
export function openIfExists(path: string): Deno.FsFile | undefined {
  try {
    return Deno.openSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
