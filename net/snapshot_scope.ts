/**
 * What a connection shows of the past.
 *
 * @module
 */

import type {
  EngineSnapshot,
  KvsEngine,
  MaybePromise,
  ScanRange,
} from "../engine/engine.ts";
import type { AnswerBuffer } from "../protocol/json/answer_buffer.ts";

/** The snapshot of a connection: none at first, and never more than one. */
export interface SnapshotScope {
  /** The snapshot that scans of the connection show, if there is one. */
  readonly current: Pick<EngineSnapshot, "scan"> | undefined;
  /**
   * Takes one, in place of the one before.
   *
   * @throws {Error} If that is not possible; then there is none.
   */
  take(): Promise<void>;
  /** Gives it back, if there is one. */
  release(): Promise<void>;
}

/**
 * Runs a request that takes or releases a connection's snapshot.
 *
 * @param scope Where it is; `undefined` where there is no connection.
 * @param isRelease Whether it is to go.
 * @param answers Where the answer goes.
 */
export async function answerSnapshot(
  scope: SnapshotScope | undefined,
  isRelease: boolean,
  answers: AnswerBuffer,
): Promise<void> {
  try {
    if (scope === undefined) {
      throw new Error("Cannot take a snapshot without a connection");
    }
    await (isRelease ? scope.release() : scope.take());
    answers.ok();
  } catch (error) {
    answers.err(messageOf(error));
  }
}

/**
 * Runs a request for a page of entries.
 *
 * @param source The store, or a snapshot of it.
 * @param range Which entries, and how many.
 * @param answers Where the answer goes.
 * @returns When it is there, if the source has to be waited for.
 */
export function answerScan(
  source: Pick<KvsEngine, "scan">,
  range: ScanRange,
  answers: AnswerBuffer,
): MaybePromise<void> {
  try {
    const page = source.scan(range);
    if (!(page instanceof Promise)) return answers.page(page);
    return page.then(
      (page) => answers.page(page),
      (error) => answers.err(messageOf(error)),
    );
  } catch (error) {
    answers.err(messageOf(error));
  }
}

/**
 * What to tell a client of a failure.
 *
 * @param error What was thrown.
 * @returns Its message.
 */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
