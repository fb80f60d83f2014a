// Measures which requests wait for KV: their latency with a KV that takes 20 ms for every operation.
import { ROWS } from "./rows.ts";
import { quantile } from "./compare.ts";
import { burst } from "./load.ts";
import type { Stage } from "./stage.ts";

const DELAY_MS = 20;
const REQUESTS = 60;
const NAMES = new Set([
  "`/v1/responses` JSON, turns on",
  "`/ask` JSON, turns and cache on",
  "follow-up on `/ask`, turns and cache on",
  "answer-cache hit",
]);

export interface SlowKv {
  name: string;
  /** Milliseconds, p50 of one request at a time. */
  quick: number;
  slow: number;
}

export async function measureSlowKv(stage: Stage): Promise<SlowKv[]> {
  const prepared = await stage.prepare();
  const rows = ROWS.filter(({ name }) => NAMES.has(name));
  const p50 = async (row: (typeof rows)[number], tag: string): Promise<number> =>
    quantile(
      (
        await burst(stage.ours.standard.url, (n) => row.ask(`${tag}-${n}`, prepared), {
          requests: REQUESTS,
          concurrency: 1,
        })
      ).total,
      0.5,
    );
  const results: SlowKv[] = [];
  for (const row of rows) {
    const quick = await p50(row, "quick");
    await stage.kv({ do: "delay", ms: DELAY_MS });
    const slow = await p50(row, "slow");
    await stage.kv({ do: "delay", ms: 0 });
    results.push({ name: row.name, quick, slow });
  }
  return results;
}
