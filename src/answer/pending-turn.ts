// A pending turn. It is created before the upstream call, and stored, counted and logged when its answer is complete.
import type { Usage } from "../contract/answer.ts";
import { type CachedAnswer, encodeAnswer } from "../core/cache/cached-answer.ts";
import { type CachePlan, isCacheable } from "../core/cache/policy.ts";
import { fitsInId, signId } from "../core/callers/ids.ts";
import type { JsonObject } from "../core/lib/json.ts";
import { withRequestFields } from "../core/reply/echoed-fields.ts";
import type { AnswerContext } from "../core/reply/trim.ts";
import { ancestorsOf, encodeTurn, type Turn, turnKey } from "../core/turns/turn.ts";
import { costUsd, sumUsage, usageOfResponse } from "../core/upstream/usage.ts";
import type { Deps, RequestContext } from "../deps.ts";
import type { Question } from "./answer.ts";
import { BudgetHold, costOf } from "./budget-hold.ts";
import type { Parent } from "./chain.ts";
import { indexItems } from "./item-index.ts";

/**
 * The next request reads the items that it refers to from KV and, with continuity `gateway`, the turn. So the end of the answer waits for
 * these writes, but at most this long.
 */
const TURN_WRITE_WAIT_MS = 300;

export interface PendingTurnOptions {
  parent: Parent | null;
  /** The parent's turn; null if KV does not show it. */
  parentTurn: Turn | null;
  /** Whether to store this turn in KV. */
  storesTurn: boolean;
  plan: CachePlan;
  /** The KV key of the cached answer; undefined if the request bypasses the cache. */
  cacheKey: string | undefined;
}

/** A complete response, and the context needed to trim it. */
export interface FinishedAnswer {
  /** Upstream's response object, with upstream's ids. */
  response: JsonObject;
  context: AnswerContext;
  /** Whether the answer was just written to the cache. */
  stored: boolean;
}

/** The part of a turn that does not depend on its place in the conversation. */
type TurnContent = Pick<Turn, "id" | "input" | "response" | "model" | "wantsData" | "metadata" | "at" | "answerKey">;

export class PendingTurn {
  readonly deps: Deps;
  readonly context: RequestContext;
  readonly question: Question;
  readonly options: PendingTurnOptions;
  readonly budgetHold: BudgetHold;
  #id: string | undefined;

  constructor(deps: Deps, context: RequestContext, question: Question, options: PendingTurnOptions) {
    this.deps = deps;
    this.context = context;
    this.question = question;
    this.options = options;
    this.budgetHold = new BudgetHold(deps, context, question.composed);
  }

  /** The time in Unix seconds. */
  now(): number {
    return Math.floor(this.deps.now() / 1_000);
  }

  /**
   * Returns the answer's id, which the first call assigns: it contains `upstreamId` if that can be part of an id, or else a random value. A
   * caller gets the same id from the first event to the last, even if upstream changes its own.
   */
  async assignId(upstreamId: unknown): Promise<string> {
    this.#id ??= await this.#idWith(upstreamId);
    return this.#id;
  }

  /**
   * Completes the turn: settles the budget hold with the cost of the response's usage, stores the turn and the cached answer, counts and
   * logs. A failed response is only settled, counted and logged.
   * @param model the model that was requested from upstream
   * @param wastedUsage tokens of an earlier call whose answer was discarded
   */
  async settle(response: JsonObject, model: string, wastedUsage: Usage | null): Promise<FinishedAnswer> {
    const { composed, metadata } = this.question;
    const id = await this.assignId(response["id"]);
    const turn = {
      id,
      input: composed.body["input"] ?? [],
      response,
      model,
      wantsData: composed.wantsData,
      metadata,
      at: this.now(),
    };
    const usage = usageOfResponse(response);
    this.budgetHold.settle(usage, this.#usdOf(turn, usage));
    // If the usage of the answer is unknown, the sum is unknown, too.
    const paidUsage = usage === null ? null : sumUsage(usage, wastedUsage);
    if (response["status"] === "failed") return this.#finish(turn, paidUsage, false);
    const answerKey = this.#storeCachedAnswer(turn);
    await this.#storeTurn({ ...turn, answerKey });
    return { ...this.#finish(turn, paidUsage, false), stored: answerKey !== undefined };
  }

  /**
   * Finishes with a cached answer. The owner that first received the answer gets the same id again. Another caller of a shared preset gets
   * a different id. Either id can be continued, because the turn is stored again if it is missing or has expired.
   * @param age the age of the cached answer, in seconds
   */
  async finishFromCache(cached: CachedAnswer, age: number): Promise<FinishedAnswer> {
    const { turns } = this.deps.config;
    const isOwn = cached.owner === this.context.caller.owner;
    const id = isOwn ? cached.id : await this.assignId(cached.response["id"]);
    const isStored = isOwn && turns !== false && age < turns.ttl;
    // The cached answer may contain another caller's metadata, so the request's metadata replaces it.
    const turn = { ...cached, id, metadata: this.question.metadata };
    if (!isStored) await this.#storeTurn({ ...turn, answerKey: isOwn ? this.options.cacheKey : undefined });
    // The turn may have been stored by a request of another route, which did not index its items.
    else void this.#indexItems(turn, Math.max(60, turns.ttl - age));
    return this.#finish(turn, null, true);
  }

  /**
   * Counts and logs the answer.
   * @param paidUsage the usage that this request paid for; null if it paid nothing or the usage is unknown
   */
  #finish(turn: TurnContent, paidUsage: Usage | null, cached: boolean): FinishedAnswer {
    const { logFields } = this.context;
    const usd = this.#usdOf(turn, paidUsage ?? usageOfResponse(turn.response));
    const cost = usd === undefined ? undefined : cached ? 0 : usd;
    logFields.response_id = turn.id;
    logFields.cost_usd = cost;
    this.deps.budgets.count(
      this.context.caller.budgets,
      cached ? { hits: 1 } : { cost: costOf(paidUsage, cost) },
      this.context.waitUntil,
    );
    if (paidUsage !== null) {
      logFields.input_tokens = paidUsage.input_tokens;
      logFields.cached_tokens = paidUsage.cached_tokens;
      logFields.output_tokens = paidUsage.output_tokens;
    }
    const { id, response, model, wantsData, metadata, at } = turn;
    const previousId = this.options.parent?.id ?? null;
    return { response, context: { id, previousId, now: at, model, wantsData, metadata, cost, cached }, stored: false };
  }

  /** Returns the cost in USD; undefined if the usage is unknown or the config has no price for the model. */
  #usdOf({ response, model }: Pick<TurnContent, "response" | "model">, usage: Usage | null): number | undefined {
    return costUsd(this.deps.config.prices, [String(response["model"]), model], usage);
  }

  /** Writes the answer to the cache, if the request and the answer allow it. @returns its KV key; undefined if it was not written */
  #storeCachedAnswer(turn: TurnContent): string | undefined {
    const { deps, context } = this;
    const { plan, cacheKey } = this.options;
    if (plan.write === false || cacheKey === undefined || !isCacheable(turn.response)) return undefined;
    const text = encodeAnswer({ ...turn, owner: context.caller.owner, ttl: plan.write });
    if (text === null) {
      deps.log.warn("answer_too_large");
      return undefined;
    }
    context.waitUntil(deps.store.write(cacheKey, text, plan.write));
    return cacheKey;
  }

  /** Stores the turn in KV, unless the request or the config forbids it or the turn is too large. */
  async #storeTurn(content: TurnContent): Promise<void> {
    const { deps, context, question } = this;
    const { parent, parentTurn, storesTurn } = this.options;
    if (!storesTurn || deps.config.turns === false) return;
    const { id, input, response, model, wantsData, metadata, at, answerKey } = content;
    const text = encodeTurn({
      id,
      parent: parent?.id ?? null,
      ancestors: ancestorsOf(parent?.signed?.isStored === true ? parent.id : null, parentTurn),
      input,
      response: withRequestFields(response, question.composed.body),
      preset: question.composed.preset?.name ?? null,
      wantsData,
      metadata,
      answerKey,
      model,
      at,
    });
    if (text === null) {
      deps.log.warn("turn_too_large");
      return;
    }
    const written = deps.store.write(turnKey(context.caller.owner, id), text, deps.config.turns.ttl);
    context.waitUntil(written);
    const indexed = this.#indexItems(content, deps.config.turns.ttl);
    const isGateway = deps.config.continuity === "gateway";
    if (isGateway || indexed !== undefined)
      await Promise.race([Promise.all([indexed, isGateway && written]), deps.sleep(TURN_WRITE_WAIT_MS)]);
  }

  /** Writes the items of a stored answer to the index, if later requests may refer to them. @returns undefined if nothing is written */
  #indexItems(turn: Pick<Turn, "id" | "input" | "response">, ttl: number): Promise<unknown> | undefined {
    if (this.question.indexesItems !== true || !this.options.storesTurn) return undefined;
    const written = indexItems(this.deps, this.context.caller.owner, turn, ttl);
    if (written !== undefined) this.context.waitUntil(written);
    return written;
  }

  /**
   * Signs an id that contains upstream's id, or a random value if that is missing or too long. The stored turn has upstream's id in any
   * case.
   */
  #idWith(upstreamId: unknown): Promise<string> {
    return fitsInId(upstreamId) ? this.#sign("upstream", upstreamId) : this.#sign("own", this.deps.random(16));
  }

  #sign(kind: "upstream" | "own", value: string): Promise<string> {
    const turn = (this.options.parent?.turn ?? 0) + 1;
    return signId(this.deps.idKeys, this.context.caller.owner, {
      kind,
      isStored: this.options.storesTurn,
      value,
      turn,
      minute: Math.floor(this.deps.now() / 60_000),
      nonce: Number.parseInt(this.deps.random(4), 16),
    });
  }
}
