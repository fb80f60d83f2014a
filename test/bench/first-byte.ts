// How much later than through a bare pass-through the first byte of a stream comes: one request at a time, by turns.
import { SERVER_KEY } from "./rows.ts";
import { median } from "./compare.ts";
import { type Asked, exchange } from "./load.ts";
import type { Stage } from "./stage.ts";

const TURNS = 300;
const WARM_UP = 100;

export interface FirstByte {
  path: string;
  /** Milliseconds, medians. */
  pass: number;
  ours: number;
  /** Of the pairs' differences. */
  laterMs: number;
}

export async function measureFirstByte(stage: Stage): Promise<FirstByte[]> {
  const pass = await stage.floor("pass");
  const found: FirstByte[] = [];
  for (const path of ["/v1/responses", "/ask"]) {
    const pairs: [pass: number, ours: number][] = [];
    for (let n = -WARM_UP; n < TURNS; n += 1) {
      const asked: Asked = {
        path,
        headers: { authorization: `Bearer ${SERVER_KEY}` },
        body: JSON.stringify({ model: "stream-60", input: `hello ${n}`, stream: true }),
      };
      const ours = stage.ours.forgetful.url;
      const order = n % 2 === 0 ? [pass.url, ours] : [ours, pass.url];
      const firsts = new Map<URL, number>();
      for (const url of order) firsts.set(url, (await exchange(url, asked)).first);
      if (n >= 0) pairs.push([firsts.get(pass.url) ?? NaN, firsts.get(ours) ?? NaN]);
    }
    found.push({
      path,
      pass: median(pairs.map(([one]) => one)),
      ours: median(pairs.map(([, other]) => other)),
      laterMs: median(pairs.map(([one, other]) => other - one)),
    });
  }
  return found;
}
