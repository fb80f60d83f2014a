// Runs many broken streams through the app and collects what is wrong with the answers.
import { createRelayGateway, type RelayGateway, type Script } from "./relay-gateway.ts";
import { judge, type Judgment } from "./relay-oracle.ts";
import type { Truth } from "./relay-streams.ts";

export interface SweepCase {
  /** The stream and what was done to it. */
  description: string;
  script: Script;
  truth: Truth | undefined;
  everyForm?: boolean;
  /** Whether an error counts as a fault, because nothing that matters is missing. */
  mustAnswer?: boolean;
}

export interface SweepReport {
  cases: number;
  /** How many cases were answered. The others were refused with an error. */
  answered: number;
  /** Each case with a fault, in a line. */
  faults: string[];
}

/** Requests wait for the crypto threads and for broken connections, so several run at a time. */
const LANES = 8;

let gateways: Promise<RelayGateway[]> | undefined;

export async function sweep(cases: Iterable<SweepCase>): Promise<SweepReport> {
  gateways ??= Promise.all(Array.from({ length: LANES }, () => createRelayGateway()));
  const report: SweepReport = { cases: 0, answered: 0, faults: [] };
  // One iterator for all lanes: each takes the next case when it is free.
  const iterator = cases[Symbol.iterator]();
  async function runLane(gateway: RelayGateway): Promise<void> {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) {
      const one = next.value;
      const { outcome, faults } = await judgeCase(gateway, one);
      report.cases += 1;
      if (outcome === "answer") report.answered += 1;
      if (faults.length > 0) report.faults.push(`${one.description}\n      ${faults.slice(0, 3).join("\n      ")}`);
    }
  }
  await Promise.all((await gateways).map(runLane));
  return report;
}

async function judgeCase(gateway: RelayGateway, one: SweepCase): Promise<Judgment> {
  gateway.script(one.script);
  const { everyForm = false, mustAnswer = false } = one;
  const judgment = await judge(gateway, one.truth, { everyForm, isStrict: mustAnswer });
  return mustAnswer && judgment.outcome !== "answer"
    ? { ...judgment, faults: [...judgment.faults, `refused with ${judgment.outcome}`] }
    : judgment;
}

/** Every `step`th element, from `first` on. */
export function* everyNth<T>(elements: Iterable<T>, step: number, first = 0): Generator<T> {
  let at = 0;
  for (const element of elements) if (at++ % step === first % step) yield element;
}
