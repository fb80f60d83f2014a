// What one request holds of its caller's budgets: reserved before upstream is asked, settled by what it cost. What is never settled
// (cut, left, lost, thrown) stays reserved: it may have been paid.
import { type Cost, worstCase } from "../core/budget.ts";
import { Problem } from "../core/problem.ts";
import type { Turn } from "../core/turn.ts";
import { type Usage, usageOf } from "../core/usage.ts";
import type { Deps, RequestContext } from "../deps.ts";
import type { Reservation } from "../platform/budgets.ts";
import { isYoung, lookFor } from "./chain.ts";
import type { Composed } from "../core/compose.ts";
import type { Parent } from "./parent.ts";

export class Spending {
  readonly #deps: Deps;
  readonly #context: RequestContext;
  readonly #composed: Composed;
  #held: Reservation | undefined;

  constructor(deps: Deps, context: RequestContext, composed: Composed) {
    this.#deps = deps;
    this.#context = context;
    this.#composed = composed;
  }

  /**
   * Before the call. A conversation whose last turn KV does not show is taken to be as long as it can be; where that does not fit, a
   * young turn is looked for again.
   * @throws Problem budget_exceeded, unavailable
   */
  async reserve(parent: Parent | null, turn: Turn | null): Promise<void> {
    if (!this.#isLimited()) return;
    try {
      await this.#reserve(parent === null ? 0 : tokensOf(turn));
    } catch (error) {
      if (
        !isOverDay(error) ||
        parent === null ||
        tokensOf(turn) !== undefined ||
        parent.signed?.kept !== true ||
        !isYoung(this.#deps, parent)
      )
        throw error;
      const found = await lookFor(this.#deps, this.#context.caller.owner, parent).catch(() => null);
      if (tokensOf(found) === undefined) throw error;
      await this.#reserve(tokensOf(found));
    }
  }

  /** A call was left that may have been paid, and another follows: the first keeps what it holds. */
  async again(parent: Parent, turn: Turn | null): Promise<void> {
    if (this.#held === undefined) return;
    this.#held = undefined;
    await this.reserve(parent, turn);
  }

  /** Upstream refused, unpaid. */
  refused(error: unknown): void {
    if (error instanceof Problem && error.details.paid === "unpaid") this.#held?.release();
  }

  /** What was used, where that is known: an upstream that counts nothing has not counted. */
  settle(usage: Usage | null, usd: number | undefined): void {
    const cost = costOf(usage, usd);
    if (cost.tokens > 0) this.#held?.settle(cost);
  }

  #isLimited(): boolean {
    return this.#context.caller.budgets.some(({ limits }) => limits.tokens_per_day !== undefined || limits.usd_per_day !== undefined);
  }

  async #reserve(parentTokens: number | undefined): Promise<void> {
    const { body, models } = this.#composed;
    const worst = worstCase(body, models, parentTokens, this.#deps.config);
    this.#held = await this.#deps.budgets.reserve(this.#context.caller.budgets, worst, this.#context.later);
  }
}

/** As budgets count it; a total that is less than its parts is none. */
export function costOf(usage: Usage | null, usd: number | undefined): Cost {
  if (usage === null) return { tokens: 0, nanoUsd: 0 };
  return { tokens: Math.max(usage.total_tokens, usage.input_tokens + usage.output_tokens), nanoUsd: Math.round((usd ?? 0) * 1e9) };
}

function tokensOf(turn: Turn | null): number | undefined {
  const usage = turn === null ? null : usageOf(turn.response["usage"]);
  return usage === null ? undefined : costOf(usage, 0).tokens;
}

function isOverDay(error: unknown): boolean {
  return error instanceof Problem && error.code === "budget_exceeded";
}
