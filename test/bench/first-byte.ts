// Measures the delay of a stream's first byte, compared with a Worker that only passes the stream through. One request at a time, alternating.
import { SERVER_KEY } from "./rows.ts";
import { median } from "./compare.ts";
import { type BenchRequest, exchange } from "./load.ts";
import type { Stage } from "./stage.ts";

const PAIRS = 300;
const WARM_UP = 100;

export interface FirstByte {
  path: string;
  /** Milliseconds, medians. */
  pass: number;
  ours: number;
  /** Milliseconds later than the pass-through: the median of the differences. */
  addedMs: number;
}

export async function measureFirstByte(stage: Stage): Promise<FirstByte[]> {
  const pass = await stage.sharedFloor("pass");
  const results: FirstByte[] = [];
  for (const path of ["/v1/responses", "/ask"]) {
    const pairs: [pass: number, ours: number][] = [];
    for (let n = -WARM_UP; n < PAIRS; n += 1) {
      const request: BenchRequest = {
        path,
        headers: { authorization: `Bearer ${SERVER_KEY}` },
        body: JSON.stringify({ model: "stream-60", input: `hello ${n}`, stream: true }),
      };
      const ours = stage.ours.stateless.url;
      const order = n % 2 === 0 ? [pass.url, ours] : [ours, pass.url];
      const firsts = new Map<URL, number>();
      for (const url of order) firsts.set(url, (await exchange(url, request)).first);
      if (n >= 0) pairs.push([firsts.get(pass.url) ?? NaN, firsts.get(ours) ?? NaN]);
    }
    results.push({
      path,
      pass: median(pairs.map(([one]) => one)),
      ours: median(pairs.map(([, other]) => other)),
      addedMs: median(pairs.map(([one, other]) => other - one)),
    });
  }
  return results;
}
