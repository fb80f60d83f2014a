// Who asks, once it is known: plain data, so that a job or a flight can keep it.
import type { CallerBudget } from "./budget.ts";
import type { Grant } from "./grant.ts";

export interface Caller {
  kind: "server" | "anonymous" | "publishable" | "session" | "jwt" | "hook" | "job";
  /** 22 characters that stand for the caller in KV keys and ids. */
  owner: string;
  /** What a locked caller may use; undefined: full trust. */
  grant?: Grant;
  /** What it spends from, the narrowest first. */
  budgets: readonly CallerBudget[];
}
