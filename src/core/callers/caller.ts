// An authenticated caller as plain data, so that a job or a run can store it.
import type { CallerBudget } from "./budget.ts";

export interface Caller {
  kind: "server" | "anonymous" | "publishable" | "session" | "jwt" | "hook" | "job";
  /** The pseudonymous id under which the caller's data is stored: 22 characters. */
  owner: string;
  /** Undefined for a caller with full trust: a server caller, its job, or an anonymous caller under ENVIRONMENT=local. */
  grant?: Grant;
  /** The budgets that the caller spends from, narrowest first. */
  budgets: readonly CallerBudget[];
}

/** The presets and limits of a restricted caller. */
export interface Grant {
  /** Names of presets in the config, at least one. */
  presets: readonly string[];
  /** The limit on `max_output_tokens` in a session token's claims. */
  maxOutputTokens?: number;
}
