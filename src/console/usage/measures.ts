// The measures of usage: their names, titles and formats.
import type { UsageDay, UsageSums } from "../../contract/usage.ts";
import { dollars } from "../lib/dollars.ts";

export interface Measure {
  name: keyof UsageSums;
  title: string;
  format: (value: number) => string;
}

const formatCount = (value: number): string => value.toLocaleString("en");

export const MEASURES: readonly Measure[] = [
  { name: "requests", title: "Requests", format: formatCount },
  { name: "tokens", title: "Tokens", format: formatCount },
  { name: "cost_usd", title: "Cost", format: dollars },
  { name: "hits", title: "Cache hits", format: formatCount },
];

const DAYS = 30;
const DAY_MS = 86_400_000;

/** Returns the thirty days up to today. The Worker omits days without a request; here they are zeros. */
export function everyDay(days: readonly UsageDay[], today: string): UsageDay[] {
  const reported = new Map(days.map((day) => [day.date, day]));
  const end = Date.parse(`${today}T00:00:00Z`);
  return Array.from({ length: DAYS }, (_, index) => {
    const date = new Date(end - (DAYS - 1 - index) * DAY_MS).toISOString().slice(0, 10);
    return reported.get(date) ?? { date, requests: 0, hits: 0, tokens: 0, cost_usd: 0, reserved_tokens: 0 };
  });
}

/** Formats `2026-11-25` as `25 Nov`. */
export function shortDate(date: string): string {
  return new Date(`${date}T00:00:00Z`).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
}
