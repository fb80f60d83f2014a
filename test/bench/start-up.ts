// Measures the size of the bundle, and the time until workerd's first answer compared with an empty Worker.
import { median } from "./compare.ts";
import { gzipBytes } from "./processes.ts";
import type { Stage } from "./stage.ts";

const STARTS = 11;

export interface StartUp {
  bundleKiB: number;
  /** Milliseconds, medians. */
  empty: number;
  ours: number;
}

export async function measureStartUp(stage: Stage): Promise<StartUp> {
  const empty: number[] = [];
  const ours: number[] = [];
  for (let n = 0; n < STARTS; n += 1) {
    for (const [start, times] of [
      [() => stage.startFloor("empty"), empty],
      [() => stage.startOurs("standard"), ours],
    ] as const) {
      const worker = await start();
      times.push(worker.startMs);
      await worker.stop();
    }
  }
  return { bundleKiB: gzipBytes(stage.bundle) / 1_024, empty: median(empty), ours: median(ours) };
}
