/**
 * Where and when results were made.
 *
 * @module
 */

/** What results depend on beside the code. */
export interface Machine {
  /** The day, as `YYYY-MM-DD`. */
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly deno: string;
  /** What else the machine had to do as the runs began: its load average. */
  readonly loadBefore: number;
}

/** Describes this machine, now. */
export function describeMachine(): Machine {
  const cpuInfo = Deno.readTextFileSync("/proc/cpuinfo");
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: /^model name\s*: (.+)$/m.exec(cpuInfo)?.[1] ?? Deno.build.arch,
    cores: navigator.hardwareConcurrency,
    memoryGiB: Math.round(Deno.systemMemoryInfo().total / 2 ** 30),
    kernel: Deno.osRelease(),
    deno: Deno.version.deno,
    loadBefore: Number(Deno.loadavg()[0].toFixed(2)),
  };
}

/** The same in a sentence, for people. */
export function machineInWords(machine: Machine): string {
  const { date, cpu, cores, memoryGiB, kernel, deno, loadBefore } = machine;
  return `${date}; ${cpu}, ${cores} cores, ${memoryGiB} GiB; Linux ${kernel}; ` +
    `Deno ${deno}; load average ${loadBefore} as it began`;
}
