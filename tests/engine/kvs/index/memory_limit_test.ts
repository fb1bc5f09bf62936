import { assert, assertEquals } from "@std/assert";
import { defaultIndexBytes } from "../../../../engine/kvs/store/defaults.ts";
import {
  cgroupLimit,
  memoryLimit,
} from "../../../../engine/kvs/index/memory_limit.ts";
import { TempDirectory } from "../_helpers.ts";

const MOUNTS_V2 = `\
23 28 0:22 / /proc rw,nosuid - proc proc rw
30 28 0:27 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate
`;
const MOUNTS_V1 = `\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
`;
const GROUPS_V1 = `\
9:name=systemd:/a/b
4:memory:/a/b
1:cpu,cpuacct:/elsewhere
0::/a/b
`;
/** What version 1 says where there is no limit. */
const NONE_V1 = "9223372036854771712\n";

/** The limit that a hierarchy of files leaves. */
function limitOf(files: Record<string, string>): number {
  using root = new TempDirectory();
  for (const [path, text] of Object.entries(files)) {
    Deno.mkdirSync(`${root.path}${path}/..`.replace(/[^/]+\/\.\.$/, ""), {
      recursive: true,
    });
    Deno.writeTextFileSync(`${root.path}${path}`, text);
  }
  return cgroupLimit((path) => {
    try {
      return Deno.readTextFileSync(root.path + path);
    } catch {
      return undefined;
    }
  });
}

Deno.test("cgroupLimit() is none without cgroups, and with none that limits", () => {
  assertEquals(limitOf({}), Infinity);
  assertEquals(limitOf({ "/proc/self/cgroup": "0::/a\n" }), Infinity);
  assertEquals(limitOf({ "/proc/self/mountinfo": MOUNTS_V2 }), Infinity);
  const files = {
    "/proc/self/cgroup": "0::/a\n",
    "/proc/self/mountinfo": MOUNTS_V2,
  };
  assertEquals(limitOf(files), Infinity);
  for (const text of ["max\n", "", "-1\n", "12 34\n", "1e3\n"]) {
    const path = "/sys/fs/cgroup/a/memory.max";
    assertEquals(limitOf({ ...files, [path]: text }), Infinity);
  }
});

Deno.test("cgroupLimit() is the least of a group and all around it, version 2", () => {
  const path = "/sys/fs/cgroup";
  const limits = ["max\n", "3000000\n", "2000000\n", "1000000\n"];
  for (let inner = 0; inner < 4; inner++) {
    for (let middle = 0; middle < 4; middle++) {
      const files = {
        "/proc/self/cgroup": "0::/system.slice/b:c/kvs.service\n",
        "/proc/self/mountinfo": MOUNTS_V2,
        [`${path}/memory.max`]: "4000000\n",
        [`${path}/system.slice/memory.max`]: limits[middle],
        [`${path}/system.slice/b:c/memory.max`]: "max\n",
        [`${path}/system.slice/b:c/kvs.service/memory.max`]: limits[inner],
        // Of others.
        [`${path}/user.slice/memory.max`]: "1\n",
        [`${path}/system.slice/b:c/kvs.service/x/memory.max`]: "1\n",
      };
      const most = Math.max(inner, middle);
      assertEquals(limitOf(files), 4_000_000 - most * 1_000_000);
    }
  }
});

Deno.test("cgroupLimit() is the least of a group and all around it, version 1", () => {
  const path = "/sys/fs/cgroup/memory";
  const files = {
    "/proc/self/cgroup": GROUPS_V1,
    "/proc/self/mountinfo": MOUNTS_V1,
    [`${path}/memory.limit_in_bytes`]: NONE_V1,
    [`${path}/a/memory.limit_in_bytes`]: "1499996160\n",
    [`${path}/a/b/memory.limit_in_bytes`]: NONE_V1,
    [`${path}/elsewhere/memory.limit_in_bytes`]: "1\n",
    "/sys/fs/cgroup/cpu,cpuacct/memory.limit_in_bytes": "1\n",
  };
  assertEquals(limitOf(files), 1_499_996_160);
  // Where both versions are in use, the lesser one holds.
  const both = { ...files, "/sys/fs/cgroup/unified/a/b/memory.max": "7\n" };
  assertEquals(limitOf(both), 7);
});

Deno.test("cgroupLimit() finds the group of a container, whose mount shows no more", () => {
  // Version 2 in a namespace of its own.
  assertEquals(
    limitOf({
      "/proc/self/cgroup": "0::/\n",
      "/proc/self/mountinfo": MOUNTS_V2,
      "/sys/fs/cgroup/memory.max": "536870912\n",
    }),
    536_870_912,
  );
  // Version 1 without one: the path is the host's, of which it sees the end.
  const mounts =
    "35 31 0:32 /docker/1f /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
  const path = "/sys/fs/cgroup/memory";
  for (
    const [group, expected] of [
      ["/docker/1f", 300],
      ["/docker/1f/inner", 200],
      ["/docker/1ff/inner", 300],
      ["/../../user", 300],
      ["/", 300],
    ] as const
  ) {
    const limit = limitOf({
      "/proc/self/cgroup": `4:memory:${group}\n`,
      "/proc/self/mountinfo": mounts,
      [`${path}/memory.limit_in_bytes`]: "300\n",
      [`${path}/inner/memory.limit_in_bytes`]: "200\n",
    });
    assertEquals(limit, expected, group);
  }
});

Deno.test("cgroupLimit() follows a mount point that has blanks in its name", () => {
  const limit = limitOf({
    "/proc/self/cgroup": "0::/a\n",
    "/proc/self/mountinfo":
      "30 28 0:27 / /my\\040cgroups rw - cgroup2 cgroup2 rw\n",
    "/my cgroups/a/memory.max": "4096\n",
  });
  assertEquals(limit, 4_096);
});

Deno.test("defaultIndexBytes() is a quarter of the limit, within bounds", () => {
  const limit = memoryLimit();
  assert(limit > 0 && limit <= Deno.systemMemoryInfo().total);
  const quarter = Math.floor(limit / 4);
  assertEquals(
    defaultIndexBytes(),
    Math.min(2 ** 34, Math.max(2 ** 26, quarter)),
  );
});

Deno.test("defaultIndexBytes() asks for no permission but sys", async () => {
  const url = new URL(
    "../../../../engine/kvs/store/defaults.ts",
    import.meta.url,
  );
  const program = `
    import { defaultIndexBytes } from ${JSON.stringify(url.href)};
    console.log(defaultIndexBytes());`;
  const sys = "--allow-sys=systemMemoryInfo";
  for (
    const permissions of [
      [sys],
      [sys, "--allow-read=/proc/self"],
      [sys, "--allow-read"],
      [sys, "--allow-read", "--allow-ffi"],
      ["--allow-all"],
    ]
  ) {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "--no-config", ...permissions, "-"],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const input = child.stdin.getWriter();
    await input.write(new TextEncoder().encode(program));
    await input.close();
    const { stdout, stderr } = await child.output();
    assertEquals(new TextDecoder().decode(stderr), "", `${permissions}`);
    const bytes = Number(new TextDecoder().decode(stdout));
    assert(bytes >= 2 ** 26 && bytes <= 2 ** 34, `${permissions}: ${bytes}`);
  }
});
