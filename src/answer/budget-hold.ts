// A budget hold: before its upstream call, a request holds the worst case in its caller's budgets, and afterwards it settles the hold with
// the real cost. A hold remains if it is never settled (the stream was cut, the caller disconnected, the isolate died), because the call
// may have been paid.
import type { Usage } from "../contract/answer.ts";
import { type Cost, hasDayLimit, worstCase } from "../core/callers/budget.ts";
import { Problem } from "../core/lib/problem.ts";
import type { Composed } from "../core/request/compose.ts";
import type { Turn } from "../core/turns/turn.ts";
import { costUsd, usageOfResponse } from "../core/upstream/usage.ts";
import type { Deps, RequestContext } from "../deps.ts";
import type { Hold } from "../platform/budgets.ts";
import { isYoung, type Parent, parentNotFound, readYoungTurn } from "./chain.ts";

export class BudgetHold {
  readonly #deps: Deps;
  readonly #context: RequestContext;
  readonly #composed: Composed;
  /** The hold for the current call; undefined before the first call, and if the caller has no limits. */
  #hold: Hold | undefined;

  constructor(deps: Deps, context: RequestContext, composed: Composed) {
    this.#deps = deps;
    this.#context = context;
    this.#composed = composed;
  }

  /** Whether the caller has any limit on tokens or money. */
  isLimited(): boolean {
    return this.#context.caller.budgets.some(hasDayLimit);
  }

  /**
   * Holds the worst case before a call. If KV does not show the parent's turn, the conversation counts as the longest possible one. If the
   * budget does not allow that, and the turn is young, the turn is read again.
   * @param parentTurn null if KV does not show the parent's turn
   * @throws Problem budget_exceeded, unavailable; previous_response_not_found if even a whole day's budget would not be enough
   */
  async hold(parent: Parent | null, parentTurn: Turn | null): Promise<void> {
    if (!this.isLimited()) return;
    const parentTokens = parent === null ? 0 : tokensOf(parentTurn);
    try {
      await this.#holdWorstCase(parentTokens);
    } catch (error) {
      if (!isBudgetExceeded(error) || parent === null || parentTokens !== undefined) throw error;
      const mayAppear = parent.signed?.isStored === true && isYoung(this.#deps, parent);
      const tokens = mayAppear
        ? tokensOf(await readYoungTurn(this.#deps, this.#context.caller.owner, parent).catch(() => null))
        : undefined;
      if (tokens !== undefined) await this.#holdWorstCase(tokens);
      else throw mayAppear || this.#fitsAnEmptyDay() ? error : tooLongForBudget();
    }
  }

  /**
   * Holds the worst case of a second call. The first call may have been paid, so its hold is settled with the cost of `wastedUsage`, or
   * remains if that is null.
   * @param model the model of the first call
   * @throws Problem the same as `hold`
   */
  async holdAgain(parent: Parent, parentTurn: Turn | null, model: string, wastedUsage: Usage | null): Promise<void> {
    if (this.#hold === undefined) return;
    if (wastedUsage !== null) this.settle(wastedUsage, costUsd(this.#deps.config.prices, [model], wastedUsage));
    this.#hold = undefined;
    await this.hold(parent, parentTurn);
  }

  /** Releases the hold after a failed call, if upstream refused it unpaid or was never called. */
  releaseIfUnpaid(error: unknown): void {
    if (error instanceof Problem && error.details.paid !== "maybe") this.#hold?.release();
  }

  /**
   * Replaces the hold with the cost. If the usage is unknown, the hold remains.
   * @param usd undefined if the config has no price for the model
   */
  settle(usage: Usage | null, usd: number | undefined): void {
    if (usage !== null) this.#hold?.settle(costOf(usage, usd));
  }

  async #holdWorstCase(parentTokens: number | undefined): Promise<void> {
    this.#hold = await this.#deps.budgets.hold(
      this.#context.caller.budgets,
      this.#worstCase(parentTokens),
      this.#context.waitUntil,
    );
  }

  #worstCase(parentTokens: number | undefined): Cost {
    const { body, models } = this.#composed;
    return worstCase(body, models, parentTokens, this.#deps.config);
  }

  /** Whether a call with a history of unknown length fits the budget of a whole day. */
  #fitsAnEmptyDay(): boolean {
    const { tokens, nanoUsd } = this.#worstCase(undefined);
    return this.#context.caller.budgets.every(
      ({ limits }) =>
        tokens <= (limits.tokens_per_day ?? Infinity) && nanoUsd <= (limits.usd_per_day ?? Infinity) * 1e9,
    );
  }
}

/** Returns a call's cost as budgets count it; 0 if the usage is unknown. */
export function costOf(usage: Usage | null, usd: number | undefined): Cost {
  return { tokens: usage?.total_tokens ?? 0, nanoUsd: usage === null ? 0 : Math.round((usd ?? 0) * 1e9) };
}

/** Returns the tokens of a turn and its history; undefined if the turn is missing or its usage is unknown. */
function tokensOf(turn: Turn | null): number | undefined {
  const usage = turn === null ? null : usageOfResponse(turn.response);
  return usage?.total_tokens;
}

function tooLongForBudget(): Problem {
  return parentNotFound(
    "The turn to continue is no longer stored, so the conversation may be longer than this caller's daily budget allows. Start a new one.",
  );
}

function isBudgetExceeded(error: unknown): boolean {
  return error instanceof Problem && error.code === "budget_exceeded";
}
