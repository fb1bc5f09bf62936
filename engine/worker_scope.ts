/**
 * The global scope of a Worker.
 *
 * A reference to the library `deno.worker` would type it as well, and with it
 * the globals of every program that imports this package.
 *
 * @module
 */

/**
 * What the modules of a Worker use of its global scope.
 *
 * @typeParam Received What the Worker is told.
 * @typeParam Sent What it tells.
 */
export interface WorkerScope<Received, Sent> {
  /** Called with each message. */
  onmessage: ((event: MessageEvent<Received>) => unknown) | null;
  /** Sends a message to the thread that made the Worker, or gives it away. */
  postMessage(message: Sent, transfer?: Transferable[]): void;
  /** Ends the Worker once it has nothing more to do. */
  close(): void;
}

/**
 * The global scope of the Worker that this is called in.
 *
 * @typeParam Received What the Worker is told.
 * @typeParam Sent What it tells.
 */
export function workerScope<Received, Sent>(): WorkerScope<Received, Sent> {
  return globalThis as unknown as WorkerScope<Received, Sent>;
}
