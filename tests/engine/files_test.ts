import { assertEquals, assertThrows } from "@std/assert";
import {
  fileExists,
  fileNames,
  parentDirectory,
  removeIfExists,
  syncDirectory,
  writeFileAtomic,
} from "../../engine/files.ts";

Deno.test("writeFileAtomic() replaces a file and leaves nothing else", () => {
  const directory = Deno.makeTempDirSync({ prefix: "kvs_files_" });
  try {
    const path = `${directory}/file`;
    Deno.writeTextFileSync(`${path}.tmp`, "left by a crash, and much longer");
    for (const content of ["first", "second, longer", ""]) {
      writeFileAtomic(path, new TextEncoder().encode(content));
      assertEquals(Deno.readTextFileSync(path), content);
    }
    assertEquals([...Deno.readDirSync(directory)].length, 1);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("writeFileAtomic() leaves the old content if it cannot write", () => {
  const directory = Deno.makeTempDirSync({ prefix: "kvs_files_" });
  try {
    const path = `${directory}/file`;
    writeFileAtomic(path, new TextEncoder().encode("old"));
    Deno.mkdirSync(`${path}.tmp`);
    assertThrows(() => writeFileAtomic(path, new TextEncoder().encode("new")));
    assertEquals(Deno.readTextFileSync(path), "old");
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("syncDirectory() refuses a directory that is not there", () => {
  if (Deno.build.os === "windows") return;
  assertThrows(
    () => syncDirectory("/no/such/directory"),
    Deno.errors.NotFound,
  );
});

Deno.test("parentDirectory() names the directory above", () => {
  for (
    const [path, parent] of [
      ["data", "."],
      ["./data", "./"],
      ["data/", "."],
      ["/srv/data", "/srv/"],
      ["/srv/data//", "/srv/"],
      ["/srv", "/"],
      ["C:\\kvs\\data", "C:\\kvs\\"],
      ["../data", "../"],
    ]
  ) assertEquals(parentDirectory(path), parent, path);
});

Deno.test("fileNames() lists files, directories and links", () => {
  const directory = Deno.makeTempDirSync({ prefix: "kvs_files_" });
  try {
    assertEquals(fileNames(directory), new Set());
    Deno.writeTextFileSync(`${directory}/file`, "");
    Deno.mkdirSync(`${directory}/directory`);
    Deno.symlinkSync(`${directory}/nowhere`, `${directory}/link`);
    assertEquals(
      fileNames(directory),
      new Set(["file", "directory", "link"]),
    );
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("removeIfExists() removes a file, and fileExists() sees it", () => {
  const path = Deno.makeTempFileSync({ prefix: "kvs_files_" });
  assertEquals(fileExists(path), true);
  removeIfExists(path);
  assertEquals(fileExists(path), false);
  removeIfExists(path);
});
