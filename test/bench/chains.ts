// A follow-up that is replayed from KV, since its model forgets: how its cost grows with the turns before it.
import { median } from "./compare.ts";
import { exchange } from "./load.ts";
import { SERVER_KEY } from "./rows.ts";
import type { Stage } from "./stage.ts";

/** Under `chat` upstream's ids say that a converted model wrote them: the chain is replayed at once. */
const MODEL = "chat";
const FOLLOW_UPS = 60;

export interface Chain {
  turns: number;
  /** Milliseconds, median of one at a time. */
  ms: number;
  /** Microseconds of CPU of workerd. */
  cpuUs: number;
  /** Of one follow-up: KV operations that read, in the order of their kinds. */
  gets: number;
  bulkGets: number;
}

export async function measureChains(stage: Stage, lengths: readonly number[]): Promise<Chain[]> {
  const { usual } = stage.ours;
  let serial = 0;
  async function ask(previousId: string | undefined): Promise<{ id: string; ms: number }> {
    serial += 1;
    const body = JSON.stringify({
      model: MODEL,
      input: `turn ${serial}`,
      cache: false,
      previous_response_id: previousId,
    });
    const { text, total } = await exchange(usual.url, {
      path: "/ask",
      headers: { authorization: `Bearer ${SERVER_KEY}` },
      body,
    });
    return { id: (JSON.parse(text) as { id: string }).id, ms: total };
  }
  const longest = Math.max(...lengths);
  const ids: string[] = [];
  for (let n = 0; n < longest; n += 1) ids.push((await ask(ids.at(-1))).id);
  const seen = lengths.map((turns) => ({ turns, ms: [] as number[], cpuUs: [] as number[] }));
  for (let n = -10; n < FOLLOW_UPS; n += 1) {
    for (const one of seen) {
      const before = usual.cpuMs();
      const { ms } = await ask(ids[one.turns - 1]);
      if (n < 0) continue;
      one.ms.push(ms);
      one.cpuUs.push((usual.cpuMs() - before) * 1_000);
    }
  }
  const chains: Chain[] = [];
  for (const { turns, ms, cpuUs } of seen) {
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
