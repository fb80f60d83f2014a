// Budgets as the path uses them: the objects that count, asked only where there are limits.
import type { CallerBudget, Cost } from "../core/budget.ts";

export interface Reservation {
  /** What it really cost. Any later call changes nothing. */
  settle: (cost: Cost) => Promise<void>;
  /** Nothing was paid. */
  release: () => Promise<void>;
}

export interface Budgets {
  /** Counts one request at the gate. @throws Problem budget_exceeded, unavailable */
  admit: (budgets: readonly CallerBudget[]) => Promise<void>;
  /** Before a call: its worst case, from every budget with a limit on tokens or USD, or from none. @throws Problem budget_exceeded, unavailable */
  reserve: (budgets: readonly CallerBudget[], worst: Cost, later: (work: Promise<unknown>) => void) => Promise<Reservation>;
  /** After an answer, for usage: `cost` counts where nothing was reserved. */
  count: (budgets: readonly CallerBudget[], what: { requests?: number; hits?: number; cost?: Cost }, later: (work: Promise<unknown>) => void) => void;
}
