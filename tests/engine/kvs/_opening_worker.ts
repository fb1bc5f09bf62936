/// <reference lib="deno.worker" />

import { openStore } from "./_helpers.ts";

self.onmessage = ({ data }: MessageEvent<string>) => {
  self.postMessage(openStore(data).share());
};
