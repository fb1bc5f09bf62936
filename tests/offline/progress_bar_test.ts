import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  ProgressBar,
  type ProgressBarFormatter,
  type ProgressBarOptions,
} from "../../offline/cli/unstable_progress_bar.ts";

/** Collects what is written to a stream. */
class Screen {
  readonly chunks: string[] = [];
  closed = false;
  readonly writable = new WritableStream<Uint8Array>({
    write: (chunk) => {
      this.chunks.push(new TextDecoder().decode(chunk));
    },
    close: () => {
      this.closed = true;
    },
  });
}

/** Puts a clock in the place of the system's until it is disposed of. */
class FakeClock implements Disposable {
  /** The time, in milliseconds. */
  nowMs = 1_000_000;
  readonly #real = Date.now;

  constructor() {
    Date.now = () => this.nowMs;
  }

  [Symbol.dispose](): void {
    Date.now = this.#real;
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** What a bar draws that is stopped at once. */
async function drawOnce(options: ProgressBarOptions): Promise<string[]> {
  const screen = new Screen();
  await new ProgressBar({ writable: screen.writable, ...options }).stop();
  return screen.chunks;
}

const HASHES = "#".repeat(50);
const DASHES = "-".repeat(50);

Deno.test("ProgressBar draws at the start, at the end, and a newline", async () => {
  using clock = new FakeClock();
  const screen = new Screen();
  const bar = new ProgressBar({ writable: screen.writable, max: 10_000 });
  bar.value = 5_000;
  clock.nowMs += 65_999;
  await bar.stop();
  assertEquals(screen.chunks, [
    `\r\x1b[K[00:00] [${DASHES}] [0.00/9.77 KiB]`,
    `\r\x1b[K[01:05] [${HASHES.slice(25)}${DASHES.slice(25)}] [4.88/9.77 KiB]`,
    "\n",
  ]);
  assertEquals(screen.closed, false);
  assertEquals(screen.writable.locked, false);
});

Deno.test("ProgressBar draws again and again until it is stopped", async () => {
  const screen = new Screen();
  let count = 0;
  const bar = new ProgressBar({
    writable: screen.writable,
    max: 1,
    interval: 1,
    formatter: () => String(++count),
  });
  while (screen.chunks.length < 4) await sleep(1);
  await bar.stop();
  const last = count;
  await sleep(10);
  assertEquals(count, last);
});

Deno.test("ProgressBar fills its bar from nothing to all", async () => {
  const look = { barLength: 4, fillChar: "=", emptyChar: "." };
  for (
    const [value, bar] of [[-1, "...."], [0, "...."], [1, "=..."], [9, "===="]]
  ) {
    const [first] = await drawOnce({ max: 4, value: Number(value), ...look });
    assertMatch(first, new RegExp(`\\[${bar}\\]`.replaceAll(".", "\\.")));
  }
});

Deno.test("ProgressBar spells the progress in the unit of its end", async () => {
  const formatter = (state: ProgressBarFormatter) => state.styledData;
  const spell = async (value: number, max: number) =>
    (await drawOnce({ value, max, formatter }))[0].replace("\r\x1b[K", "");
  assertEquals(await spell(512, 1), "0.50/0.00 KiB");
  assertEquals(await spell(0, 2 ** 20 - 1), "0.00/1024.00 KiB");
  assertEquals(await spell(2 ** 19, 2 ** 20), "0.50/1.00 MiB");
  assertEquals(await spell(0, 2 ** 80), "0.00/1.00 YiB");
  assertEquals(await spell(0, 2 ** 92), "0.00/4096.00 YiB");
});

Deno.test("ProgressBar tells its formatter of this call and the last", async () => {
  using clock = new FakeClock();
  const states: ProgressBarFormatter[] = [];
  const screen = new Screen();
  const bar = new ProgressBar({
    writable: screen.writable,
    max: 2,
    value: 1,
    formatter: (state) => {
      states.push(state);
      return state.styledTime;
    },
  });
  bar.value = 2;
  bar.max = 4;
  clock.nowMs += 10;
  await bar.stop();
  assertEquals(screen.chunks, ["\r\x1b[K00:00", "\r\x1b[K00:00", "\n"]);
  const [first, second] = states;
  assertEquals([first.value, first.previousValue, first.max], [1, 1, 2]);
  assertEquals([second.value, second.previousValue, second.max], [2, 1, 4]);
  assertEquals([first.time, first.previousTime], [0, 0]);
  assertEquals([second.time, second.previousTime], [10, 0]);
});

Deno.test("ProgressBar.stop() erases the bar, and closes the stream, if told so", async () => {
  const screen = new Screen();
  const bar = new ProgressBar({
    writable: screen.writable,
    max: 1,
    clear: true,
    keepOpen: false,
    formatter: () => "bar",
  });
  await bar.stop();
  assertEquals(screen.chunks, ["\r\x1b[Kbar", "\r\x1b[K"]);
  assert(screen.closed);
});

Deno.test("ProgressBar bears a stream that breaks, and being stopped twice", async () => {
  const writable = new WritableStream<Uint8Array>({
    write() {
      throw new Deno.errors.BrokenPipe("gone");
    },
  });
  let count = 0;
  const formatter = () => String(++count);
  const bar = new ProgressBar({ writable, max: 1, interval: 1, formatter });
  await sleep(5);
  const last = count;
  await sleep(10);
  assertEquals(count, last);
  await bar.stop();
  await bar.stop();
});
