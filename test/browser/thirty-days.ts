// A response of GET /usage after a month of use, for screenshots: the Worker of a test is minutes old.
import type { UsageReport } from "../../src/contract/usage.ts";

export function thirtyDays(): UsageReport {
  const end = Date.UTC(2026, 10, 25);
  const days = Array.from({ length: 30 }, (_, at) => {
    const requests = Math.round(420 + 180 * Math.sin(at / 2.2) + at * 9 - (at % 7 > 4 ? 260 : 0));
    const tokens = requests * (380 + (at % 5) * 22);
    return {
      date: new Date(end - (29 - at) * 86_400_000).toISOString().slice(0, 10),
      requests,
      hits: Math.round(requests * (0.2 + (at % 4) * 0.04)),
      tokens,
      cost_usd: Math.round(tokens * 0.9) / 1e6,
      reserved_tokens: 0,
    };
  });
  const total = { requests: 0, hits: 0, tokens: 0, cost_usd: 0, reserved_tokens: 0 };
  for (const day of days) for (const key of ["requests", "hits", "tokens", "cost_usd"] as const) total[key] += day[key];
  const today = days.at(-1);
  if (today === undefined) throw new Error("thirty days have a last one");
  const limits = { requests_per_minute: 120, tokens_per_day: 500_000, usd_per_day: 1 };
  const left = {
    requests_per_minute: 97,
    tokens_per_day: 500_000 - today.tokens,
    usd_per_day: Math.round((1 - today.cost_usd) * 1e4) / 1e4,
  };
  return { today, days, total, limits, left };
}
