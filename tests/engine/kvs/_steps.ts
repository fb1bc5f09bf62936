/** Calls something before each atomic load and store of this thread. */
export function withSteps(onStep: () => void, act: () => void): void {
  const { load, store } = Atomics;
  let busy = false;
  const step = () => {
    if (busy) return;
    busy = true;
    onStep();
    busy = false;
  };
  Object.assign(Atomics, {
    load: (array: Uint32Array, index: number) => {
      step();
      return load(array, index);
    },
    store: (array: Uint32Array, index: number, value: number) => {
      step();
      return store(array, index, value);
    },
  });
  try {
    act();
  } finally {
    Object.assign(Atomics, { load, store });
  }
}
