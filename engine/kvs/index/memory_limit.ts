/**
 * How much memory the system lets this process have.
 *
 * @module
 */

import process from "node:process";

/** Reads a text file; `undefined` where it can't be read. */
export type ReadText = (path: string) => string | undefined;

/** Files of cgroups are shorter; the table of mounts may be longer, in bytes. */
const READ_BYTES = 64 * 1024;
const O_CLOEXEC = 0o2000000;

/** The two versions of cgroups, and where each has its limit. */
const VERSIONS = [
  { fileSystem: "cgroup2", controller: "", file: "memory.max" },
  {
    fileSystem: "cgroup",
    controller: "memory",
    file: "memory.limit_in_bytes",
  },
];

/**
 * The memory of the machine, or what a cgroup leaves of it. Nothing is asked
 * for but the permission `sys`: where cgroups can't be read as a whole, it is
 * what the runtime itself knows of the innermost.
 *
 * @returns The limit, in bytes.
 */
export function memoryLimit(): number {
  const { total } = Deno.systemMemoryInfo();
  if (Deno.build.os !== "linux") return total;
  using files = new SystemFiles();
  return Math.min(
    total,
    // Zero where it is not known.
    process.constrainedMemory?.() || Infinity,
    cgroupLimit((path) => files.read(path)),
  );
}

/**
 * The least limit of this process's cgroups and of all those they are in.
 *
 * @param read How to read `/proc` and the file system of cgroups.
 * @returns The limit, in bytes; `Infinity` where there is none.
 */
export function cgroupLimit(read: ReadText): number {
  const groups = lines(read("/proc/self/cgroup")).map((line) => {
    // The path may have colons.
    const [, controllers, ...path] = line.split(":");
    return { controllers: controllers?.split(","), path: path.join(":") };
  });
  let limit = Infinity;
  for (const line of lines(read("/proc/self/mountinfo"))) {
    const [mount, kind = ""] = line.split(" - ");
    const [, , , root, mountPoint] = mount.split(" ").map(unescape);
    const [fileSystem, , options = ""] = kind.split(" ");
    for (const version of VERSIONS) {
      const { controller, file } = version;
      if (fileSystem !== version.fileSystem) continue;
      if (controller !== "" && !options.split(",").includes(controller)) {
        continue;
      }
      const group = groups.find(({ controllers }) =>
        controllers?.includes(controller)
      );
      if (group === undefined) continue;
      let path = within(group.path, root);
      for (;;) {
        limit = Math.min(limit, limitIn(read(`${mountPoint}${path}/${file}`)));
        if (path === "") break;
        path = path.slice(0, path.lastIndexOf("/"));
      }
    }
  }
  return limit;
}

/**
 * Where a group is below a mount, which shows the hierarchy from `root` on: a
 * container may see its own group there and a path from outside, which leads
 * nowhere.
 */
function within(path: string, root: string): string {
  const from = root === "/" ? "" : root;
  const isWithin = path.startsWith(`${from}/`) && !path.includes("/..");
  return isWithin ? path.slice(from.length).replace(/\/$/, "") : "";
}

function limitIn(text: string | undefined): number {
  // What else is there is "max", or nothing.
  return text !== undefined && /^\d+\s*$/.test(text) ? Number(text) : Infinity;
}

function lines(text: string | undefined): string[] {
  return text?.split("\n").filter((line) => line !== "") ?? [];
}

/** The mount table spells blanks and the like in octal digits. */
function unescape(text: string): string {
  return text.replace(
    /\\([0-7]{3})/g,
    (_, digits) => String.fromCharCode(parseInt(digits, 8)),
  );
}

function openLibc() {
  return Deno.dlopen("libc.so.6", {
    open: { parameters: ["buffer", "i32"], result: "i32" },
    read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
    close: { parameters: ["i32"], result: "i32" },
  });
}

/**
 * Files of `/proc` and `/sys`. Deno reads them with all permissions alone; the
 * C library is as good where this program may read files and call it.
 */
class SystemFiles implements Disposable {
  #libc: ReturnType<typeof openLibc> | undefined;
  #isOpened = false;

  read(path: string): string | undefined {
    // To try would ask the user who sits there.
    const { state } = Deno.permissions.querySync({ name: "read", path });
    if (state !== "granted") return undefined;
    try {
      return Deno.readTextFileSync(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotCapable)) return undefined;
    }
    return this.#readByLibc(path);
  }

  [Symbol.dispose](): void {
    this.#libc?.close();
  }

  #readByLibc(path: string): string | undefined {
    if (!this.#isOpened) {
      this.#isOpened = true;
      const { state } = Deno.permissions.querySync({ name: "ffi" });
      try {
        if (state === "granted") this.#libc = openLibc();
      } catch {
        // Another C library.
      }
    }
    if (this.#libc === undefined) return undefined;
    const { open, read, close } = this.#libc.symbols;
    const file = open(new TextEncoder().encode(`${path}\0`), O_CLOEXEC);
    if (file < 0) return undefined;
    const bytes = new Uint8Array(READ_BYTES);
    let length = 0;
    while (length < bytes.length) {
      const room = bytes.subarray(length);
      const count = Number(read(file, room, BigInt(room.length)));
      if (count <= 0) break;
      length += count;
    }
    close(file);
    return new TextDecoder().decode(bytes.subarray(0, length));
  }
}
