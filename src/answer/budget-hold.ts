// What one request holds of its caller's budgets: reserved before upstream is asked, settled by what it cost. What is never settled
// (cut, left, lost, thrown) stays reserved: it may have been paid.
import type { Usage } from "../contract/answer.ts";
import { type Cost, worstCase } from "../core/callers/budget.ts";
import { Problem } from "../core/lib/problem.ts";
import type { Turn } from "../core/turns/turn.ts";
import { costUsd, usageOf } from "../core/upstream/usage.ts";
import type { Deps, RequestContext } from "../deps.ts";
import type { Reservation } from "../platform/budgets.ts";
import { isYoung, readYoungTurn } from "./chain.ts";
import type { Composed } from "../core/request/compose.ts";
import { parentNotFound, type Parent } from "./parent.ts";

export class BudgetHold {
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
   * @throws Problem budget_exceeded, unavailable; previous_response_not_found where no day would ever have room for it
   */
  async hold(parent: Parent | null, turn: Turn | null): Promise<void> {
    if (!this.isLimited()) return;
    const known = parent === null ? 0 : tokensOf(turn);
    try {
      await this.#reserve(known);
    } catch (error) {
      if (!isOverDay(error) || parent === null || known !== undefined) throw error;
      const young = parent.signed?.kept === true && isYoung(this.#deps, parent);
      const found = young
        ? tokensOf(await readYoungTurn(this.#deps, this.#context.caller.owner, parent).catch(() => null))
        : undefined;
      if (found !== undefined) await this.#reserve(found);
      else throw young || this.#fitsAnEmptyDay() ? error : tooLongForTheBudget();
    }
  }

  /**
   * A call was left that may have been paid, and another follows, which needs a reservation of its own.
   * @param wasted what the first has cost, where that is known; else it keeps what it holds
   */
  async holdAgain(parent: Parent, turn: Turn | null, model: string, wasted: Usage | null): Promise<void> {
    if (this.#held === undefined) return;
    if (wasted !== null) this.settle(wasted, costUsd(this.#deps.config.prices, [model], wasted));
    this.#held = undefined;
    await this.hold(parent, turn);
  }

  /** The call has failed. What upstream refused unpaid, or was never asked, costs nothing. */
  releaseIfUnpaid(error: unknown): void {
    if (error instanceof Problem && error.details.paid !== "maybe") this.#held?.release();
  }

  /** What was used, where that is known: an upstream that counts nothing has not counted. */
  settle(usage: Usage | null, usd: number | undefined): void {
    const cost = costOf(usage, usd);
    if (cost.tokens > 0) this.#held?.settle(cost);
  }

  /** Whether there is anything to reserve from. */
  isLimited(): boolean {
    return this.#context.caller.budgets.some(
      ({ limits }) => limits.tokens_per_day !== undefined || limits.usd_per_day !== undefined,
    );
  }

  async #reserve(parentTokens: number | undefined): Promise<void> {
    this.#held = await this.#deps.budgets.reserve(
      this.#context.caller.budgets,
      this.#worst(parentTokens),
      this.#context.waitUntil,
    );
  }

  #worst(parentTokens: number | undefined): Cost {
    const { body, models } = this.#composed;
    return worstCase(body, models, parentTokens, this.#deps.config);
  }

  /** A call that continues what nobody can measure. */
  #fitsAnEmptyDay(): boolean {
    const { tokens, nanoUsd } = this.#worst(undefined);
    return this.#context.caller.budgets.every(
      ({ limits }) =>
        tokens <= (limits.tokens_per_day ?? Infinity) && nanoUsd <= (limits.usd_per_day ?? Infinity) * 1e9,
    );
  }
}

/** As budgets count it; a total that is less than its parts is none. */
export function costOf(usage: Usage | null, usd: number | undefined): Cost {
  if (usage === null) return { tokens: 0, nanoUsd: 0 };
  return {
    tokens: Math.max(usage.total_tokens, usage.input_tokens + usage.output_tokens),
    nanoUsd: Math.round((usd ?? 0) * 1e9),
  };
}

/** An upstream that counts nothing has not counted. */
function tokensOf(turn: Turn | null): number | undefined {
  const usage = turn === null ? null : usageOf(turn.response["usage"]);
  return costOf(usage, 0).tokens || undefined;
}

function tooLongForTheBudget(): Problem {
  return parentNotFound(
    "The turn to continue is not in memory any more, so the conversation may be longer than this caller's budget allows on any day. Start a new one.",
  );
}

function isOverDay(error: unknown): boolean {
  return error instanceof Problem && error.code === "budget_exceeded";
}
