/** A subcommand. */
export interface Command {
  /** What `--help` shows. */
  readonly help: string;
  /**
   * Runs it.
   *
   * @param args The arguments behind its name.
   * @returns The exit code.
   */
  run(args: string[]): Promise<number>;
}
