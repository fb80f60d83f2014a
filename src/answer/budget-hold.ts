// A budget hold: the part of its caller's budgets that a request reserves before the upstream call, and settles by the call's cost. A
// reservation that is never settled (the stream was cut, the caller disconnected, the isolate died) stays reserved: the call may have been
// paid.
import type { Usage } from "../contract/answer.ts";
import { type Cost, worstCase } from "../core/callers/budget.ts";
import { Problem } from "../core/lib/problem.ts";
import type { Composed } from "../core/request/compose.ts";
import type { Turn } from "../core/turns/turn.ts";
import { costUsd, usageOf } from "../core/upstream/usage.ts";
import type { Deps, RequestContext } from "../deps.ts";
import type { Reservation } from "../platform/budgets.ts";
import { isYoung, type Parent, parentNotFound, readYoungTurn } from "./chain.ts";

export class BudgetHold {
  readonly #deps: Deps;
  readonly #context: RequestContext;
  readonly #composed: Composed;
  #reservation: Reservation | undefined;

  constructor(deps: Deps, context: RequestContext, composed: Composed) {
    this.#deps = deps;
    this.#context = context;
    this.#composed = composed;
  }

  /** Whether the caller has any limit on tokens or money. */
  isLimited(): boolean {
    return this.#context.caller.budgets.some(
      ({ limits }) => limits.tokens_per_day !== undefined || limits.usd_per_day !== undefined,
    );
  }

  /**
   * Reserves the worst case before a call. If KV does not show the parent's turn, its conversation counts as the longest possible one; if
   * the budget does not allow that, a young turn is read again.
   * @param parentTurn null if KV does not show it
   * @throws Problem budget_exceeded, unavailable; previous_response_not_found if not even a whole day's budget would be enough
   */
  async hold(parent: Parent | null, parentTurn: Turn | null): Promise<void> {
    if (!this.isLimited()) return;
    const parentTokens = parent === null ? 0 : tokensOf(parentTurn);
    try {
      await this.#reserve(parentTokens);
    } catch (error) {
      if (!isBudgetExceeded(error) || parent === null || parentTokens !== undefined) throw error;
      const mayAppear = parent.signed?.isStored === true && isYoung(this.#deps, parent);
      const tokens = mayAppear
        ? tokensOf(await readYoungTurn(this.#deps, this.#context.caller.owner, parent).catch(() => null))
        : undefined;
      if (tokens !== undefined) await this.#reserve(tokens);
      else throw mayAppear || this.#fitsAnEmptyDay() ? error : tooLongForBudget();
    }
  }

  /**
   * Reserves for a second call. The first one may have been paid: it is settled by `wastedUsage`, or stays reserved if that is unknown.
   * @param model the model of the first call
   * @throws Problem like hold
   */
  async holdAgain(parent: Parent, parentTurn: Turn | null, model: string, wastedUsage: Usage | null): Promise<void> {
    if (this.#reservation === undefined) return;
    if (wastedUsage !== null) this.settle(wastedUsage, costUsd(this.#deps.config.prices, [model], wastedUsage));
    this.#reservation = undefined;
    await this.hold(parent, parentTurn);
  }

  /** After a failed call: releases the reservation if upstream refused unpaid or was never called. */
  releaseIfUnpaid(error: unknown): void {
    if (error instanceof Problem && error.details.paid !== "maybe") this.#reservation?.release();
  }

  /**
   * Replaces the reservation by the cost. Zero tokens mean that upstream did not count, so the reservation stays.
   * @param usd undefined if the config has no price for the model
   */
  settle(usage: Usage | null, usd: number | undefined): void {
    const cost = costOf(usage, usd);
    if (cost.tokens > 0) this.#reservation?.settle(cost);
  }

  async #reserve(parentTokens: number | undefined): Promise<void> {
    this.#reservation = await this.#deps.budgets.reserve(
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

/** A call's cost as budgets count it. Some relays send a total that is less than its parts: then the parts count. */
export function costOf(usage: Usage | null, usd: number | undefined): Cost {
  if (usage === null) return { tokens: 0, nanoUsd: 0 };
  return {
    tokens: Math.max(usage.total_tokens, usage.input_tokens + usage.output_tokens),
    nanoUsd: Math.round((usd ?? 0) * 1e9),
  };
}

/** The tokens of a turn and its history; undefined if upstream did not count. */
function tokensOf(turn: Turn | null): number | undefined {
  const usage = turn === null ? null : usageOf(turn.response["usage"]);
  return costOf(usage, 0).tokens || undefined;
}

function tooLongForBudget(): Problem {
  return parentNotFound(
    "The turn to continue is no longer stored, so the conversation may be longer than this caller's daily budget allows. Start a new one.",
  );
}

function isBudgetExceeded(error: unknown): boolean {
  return error instanceof Problem && error.code === "budget_exceeded";
}
