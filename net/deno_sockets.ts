/**
 * Connections as Deno makes them, with TLS or without.
 *
 * @module
 */

import { TlsSockets } from "./native/tls_sockets.ts";
import type {
  Transport,
  TransportListener,
  TransportUser,
} from "./transport.ts";

const NO_BYTES = new Uint8Array(0);

/** A listener of Deno's. */
export class DenoListener implements TransportListener {
  readonly #listener: Deno.TcpListener | Deno.TlsListener;
  readonly #sockets = new TlsSockets();
  #nowMs = 0;

  /** @param listener The listener. */
  constructor(listener: Deno.TcpListener | Deno.TlsListener) {
    this.#listener = listener;
  }

  /** Where it listens. */
  get addr(): Deno.NetAddr {
    return this.#listener.addr as Deno.NetAddr;
  }

  /** @inheritdoc */
  async accept(): Promise<Transport> {
    const stream = await this.#listener.accept();
    if (!("handshake" in stream)) return new DenoTransport(stream);
    const sockets = this.#sockets;
    sockets.opened(stream);
    return new DenoTransport(
      stream,
      sockets.isAble,
      () => sockets.closed(stream, this.#nowMs),
    );
  }

  /** @inheritdoc */
  tick(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#sockets.sweep(nowMs);
  }

  /** @inheritdoc */
  close(): void {
    this.#listener.close();
    this.#sockets.close();
  }
}

/** A connection of Deno's. */
class DenoTransport implements Transport {
  readonly hasHandshake: boolean;
  readonly canAbort: boolean;
  readonly #stream: Deno.TcpConn | Deno.TlsConn;
  /** Called once it is closed. */
  readonly #onClose: (() => void) | undefined;
  #user: TransportUser | undefined;
  #unsent: Uint8Array = NO_BYTES;
  #isClosed = false;

  constructor(
    stream: Deno.TcpConn | Deno.TlsConn,
    canAbort = true,
    onClose?: () => void,
  ) {
    this.#stream = stream;
    this.hasHandshake = "handshake" in stream;
    this.canAbort = canAbort;
    this.#onClose = onClose;
  }

  open(user: TransportUser): void {
    this.#user = user;
    const stream = this.#stream;
    if ("handshake" in stream) {
      stream.handshake().then(() => this.#call()?.opened(), this.#onFailure);
    } else {
      // An answer must not wait for more to send: the client waits for it.
      stream.setNoDelay(true);
      user.opened();
    }
  }

  read(room: Uint8Array): void {
    this.#stream.read(room).then(this.#onRead, this.#onFailure);
  }

  send(bytes: Uint8Array): void {
    this.#unsent = bytes;
    this.#stream.write(bytes).then(this.#onWritten, this.#onFailure);
  }

  endSending(): void {
    this.#stream.closeWrite().catch(this.#onFailure);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stream.close();
    this.#onClose?.();
  }

  /** Whom to call, if anybody. */
  #call(): TransportUser | undefined {
    return this.#isClosed ? undefined : this.#user;
  }

  readonly #onFailure = (error: unknown) => this.#call()?.failed(error);

  readonly #onRead = (count: number | null) =>
    this.#call()?.received(count ?? 0);

  readonly #onWritten = (count: number) => {
    const left = this.#unsent.subarray(count);
    if (left.length > 0) return this.send(left);
    this.#unsent = NO_BYTES;
    this.#call()?.sent();
  };
}
