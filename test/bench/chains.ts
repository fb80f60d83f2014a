// Measures how the cost of a replayed follow-up grows with the length of its chain. The model doesn't continue by id.
import { median } from "./compare.ts";
import { exchange } from "./load.ts";
import { SERVER_KEY } from "./rows.ts";
import type { Stage } from "./stage.ts";

/** The response ids of `chat` show that the model was converted from chat completions, so every follow-up is replayed. */
const MODEL = "chat";
const FOLLOW_UPS = 60;

export interface Chain {
  turns: number;
  /** Milliseconds per follow-up, one at a time: the median. */
  ms: number;
  /** Microseconds of workerd's CPU per follow-up. */
  cpuUs: number;
  /** Single and bulk reads of KV per follow-up. */
  gets: number;
  bulkGets: number;
}

export async function measureChains(stage: Stage, lengths: readonly number[]): Promise<Chain[]> {
  const { standard } = stage.ours;
  let serial = 0;
  async function ask(previousId: string | undefined): Promise<{ id: string; ms: number }> {
    serial += 1;
    const body = JSON.stringify({
      model: MODEL,
      input: `turn ${serial}`,
      cache: false,
      previous_response_id: previousId,
    });
    const { text, total } = await exchange(standard.url, {
      path: "/ask",
      headers: { authorization: `Bearer ${SERVER_KEY}` },
      body,
    });
    return { id: (JSON.parse(text) as { id: string }).id, ms: total };
  }
  const longest = Math.max(...lengths);
  const ids: string[] = [];
  for (let n = 0; n < longest; n += 1) ids.push((await ask(ids.at(-1))).id);
  const samples = lengths.map((turns) => ({ turns, ms: [] as number[], cpuUs: [] as number[] }));
  for (let n = -10; n < FOLLOW_UPS; n += 1) {
    for (const one of samples) {
      const before = standard.cpuMs();
      const { ms } = await ask(ids[one.turns - 1]);
      if (n < 0) continue;
      one.ms.push(ms);
      one.cpuUs.push((standard.cpuMs() - before) * 1_000);
    }
  }
  const chains: Chain[] = [];
  for (const { turns, ms, cpuUs } of samples) {
    const before = await stage.kv({ do: "counts" });
    await ask(ids[turns - 1]);
    const after = await stage.kv({ do: "counts" });
    chains.push({
      turns,
      ms: median(ms),
      cpuUs: median(cpuUs),
      gets: after.get - before.get,
      bulkGets: after.bulk - before.bulk,
    });
  }
  return chains;
}
