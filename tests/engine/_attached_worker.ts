/**
 * A Worker that attaches to a store and does what it is told.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import type { EngineHandle, KvsEngine } from "../../engine/engine.ts";
import { attachEngine } from "../../engine/open.ts";

type Order =
  | { readonly attach: EngineHandle }
  | { readonly fill: string; readonly keys: number }
  | { readonly get: string }
  | { readonly set: string }
  | { readonly close: true };

const BATCH = 500;

const encoder = new TextEncoder();
let engine: KvsEngine;

self.onmessage = async ({ data }: MessageEvent<Order>) => {
  self.postMessage(await obey(data));
};

async function obey(order: Order): Promise<unknown> {
  if ("attach" in order) {
    engine = await attachEngine(order.attach);
  } else if ("fill" in order) {
    await fill(order.fill, order.keys);
  } else if ("get" in order) {
    return await engine.get(order.get);
  } else if ("set" in order) {
    try {
      await engine.set(order.set, "");
    } catch (error) {
      return (error as Error).message;
    }
  } else {
    await engine.close();
  }
}

async function fill(prefix: string, keys: number): Promise<void> {
  for (let from = 0; from < keys; from += BATCH) {
    const batch = Array.from({ length: BATCH }, (_, i) => ({
      key: encoder.encode(`${prefix} ${from + i}`),
      value: encoder.encode(`${prefix} ${from + i} value`),
    }));
    await engine.write(batch);
    await engine.sync();
    await engine.get(`${prefix} ${from}`);
  }
}
