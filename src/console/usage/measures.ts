// What is counted per day, how it is called and written. Plain data in, plain data out.
import { dollars } from "../lib/dollars.ts";

export interface Sums {
  requests: number;
  hits: number;
  tokens: number;
  cost_usd: number;
}

export interface Day extends Sums {
  /** UTC, `2026-11-25`. */
  date: string;
}

export interface Measure {
  name: keyof Sums;
  title: string;
  write: (value: number) => string;
}

const whole = (value: number): string => value.toLocaleString("en");

export const MEASURES: readonly Measure[] = [
  { name: "requests", title: "Requests", write: whole },
  { name: "tokens", title: "Tokens", write: whole },
  { name: "cost_usd", title: "Cost", write: dollars },
  { name: "hits", title: "Cache hits", write: whole },
];

const DAYS = 30;
const DAY_MS = 86_400_000;

/** Thirty days up to today: the ones without a request, which the Worker leaves out, as zeros. */
export function everyDay(days: readonly Day[], today: string): Day[] {
  const known = new Map(days.map((day) => [day.date, day]));
  const end = Date.parse(`${today}T00:00:00Z`);
  return Array.from({ length: DAYS }, (_, at) => {
    const date = new Date(end - (DAYS - 1 - at) * DAY_MS).toISOString().slice(0, 10);
    return known.get(date) ?? { date, requests: 0, hits: 0, tokens: 0, cost_usd: 0 };
  });
}

/** `25 Nov`. */
export function shortDate(date: string): string {
  return new Date(`${date}T00:00:00Z`).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
}
