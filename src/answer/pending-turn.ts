// One turn in the making: from what is known before upstream is asked to what is kept, counted and told when the answer is whole.
import type { Usage } from "../contract/answer.ts";
import { type CachedAnswer, encodeAnswer } from "../core/cache/cached-answer.ts";
import { fitsInId, signId } from "../core/callers/ids.ts";
import type { JsonObject } from "../core/lib/json.ts";
import { type CachePlan, isCacheable } from "../core/cache/policy.ts";
import type { AnswerContext } from "../core/reply/trim.ts";
import { encodeTurn, ancestorsOf, type Turn, turnKey } from "../core/turns/turn.ts";
import { costUsd, sumUsage, usageOf } from "../core/upstream/usage.ts";
import type { Deps, RequestContext } from "../deps.ts";
import type { Question } from "./answer.ts";
import type { Parent } from "./parent.ts";
import { costOf, BudgetHold } from "./budget-hold.ts";

/** Under `gateway` the next request needs this turn from KV: the answer's end waits for it, but not longer. */
const HOLD_FOR_TURN_MS = 300;

export interface PendingTurnOptions {
  parent: Parent | null;
  /** The parent's turn as far as KV shows it. */
  parentTurn: Turn | null;
  /** This turn goes into memory. */
  storesTurn: boolean;
  plan: CachePlan;
  /** Where an exact repeat would be looked for; undefined: nowhere. */
  cacheKey: string | undefined;
}

/** A response that is whole, and what its forms need beside it. */
export interface FinishedAnswer {
  /** Upstream's object under upstream's ids. */
  response: JsonObject;
  context: AnswerContext;
  /** It is kept for exact repeats. */
  stored: boolean;
}

type OwnId = Pick<Turn, "id" | "input" | "response" | "model" | "wantsData" | "metadata" | "at" | "answerKey">;

export class PendingTurn {
  readonly deps: Deps;
  readonly context: RequestContext;
  readonly question: Question;
  readonly options: PendingTurnOptions;
  readonly budgetHold: BudgetHold;
  /** Our ids by upstream's. */
  readonly #ids = new Map<unknown, string>();
  #promised: string | undefined;

  constructor(deps: Deps, context: RequestContext, question: Question, options: PendingTurnOptions) {
    this.deps = deps;
    this.context = context;
    this.question = question;
    this.options = options;
    this.budgetHold = new BudgetHold(deps, context, question.composed);
  }

  /** Unix seconds. */
  now(): number {
    return Math.floor(this.deps.now() / 1_000);
  }

  /** The answer's id before the answer: upstream's as far as it is known, else one of ours. Whatever upstream says later, it stays. */
  async promiseId(upstreamId?: unknown): Promise<string> {
    this.#promised ??= await (fitsInId(upstreamId)
      ? this.#sign("upstream", upstreamId)
      : this.#sign("own", this.deps.random(16)));
    return this.#promised;
  }

  async idFor(upstreamId: unknown): Promise<string> {
    if (this.#promised !== undefined) return this.#promised;
    const known = this.#ids.get(upstreamId);
    if (known !== undefined) return known;
    // One that comes late or does not fit is told by the turn; what was said first stays.
    if (typeof upstreamId !== "string" || upstreamId === "") return await this.promiseId();
    const id = fitsInId(upstreamId)
      ? await this.#sign("upstream", upstreamId)
      : await this.#sign("own", this.deps.random(16));
    this.#ids.set(upstreamId, id);
    return id;
  }

  /**
   * A response that came whole: named, kept, counted.
   * @param model which of the models was asked
   * @param wasted tokens of a call before it that led nowhere
   */
  async settle(response: JsonObject, model: string, wasted: Usage | null): Promise<FinishedAnswer> {
    const { deps, context, question } = this;
    const { plan, cacheKey } = this.options;
    const { composed, metadata } = question;
    const id = await this.idFor(response["id"]);
    const made = {
      id,
      input: composed.body["input"] ?? [],
      response,
      model,
      wantsData: composed.wantsData,
      metadata,
      at: this.now(),
    };
    const used = usageOf(response["usage"]);
    this.budgetHold.settle(used, this.#priceOf(made, used));
    const paid = sumUsage(used, wasted);
    if (response["status"] === "failed") return this.#finish(made, paid, false);
    const record =
      plan.write !== false && isCacheable(response)
        ? encodeAnswer({ ...made, owner: context.caller.owner, ttl: plan.write })
        : undefined;
    if (record === null) deps.log.warn("answer_too_large");
    const answerKey = typeof record === "string" ? cacheKey : undefined;
    if (typeof record === "string" && answerKey !== undefined && plan.write !== false)
      context.waitUntil(deps.store.write(answerKey, record, plan.write));
    if (this.options.storesTurn) await this.#keepTurn({ ...made, answerKey });
    return { ...this.#finish(made, paid, false), stored: answerKey !== undefined };
  }

  /**
   * A kept answer, given again. Its first owner gets the same id, another reader of a shared preset an id of his own. Either can be
   * continued: the turn is written where it is not there, or not any more.
   */
  async repeat(record: CachedAnswer, age: number): Promise<FinishedAnswer> {
    const { turns } = this.deps.config;
    const own = record.owner === this.context.caller.owner;
    const id = own ? record.id : await this.idFor(record.response["id"]);
    const remembered = own && turns !== false && age < turns.ttl;
    // The metadata that an answer shows are its own request's: where the record is shared, another caller's may say more.
    const made = { ...record, id, metadata: this.question.metadata };
    if (!remembered) await this.#keepTurn({ ...made, answerKey: own ? this.options.cacheKey : undefined });
    return this.#finish(made, null, true);
  }

  /** @param paid tokens that this request cost; null: none, or nobody knows */
  #finish(made: OwnId, paid: Usage | null, cached: boolean): FinishedAnswer {
    const { logFields } = this.context;
    const priced = this.#priceOf(made, paid ?? usageOf(made.response["usage"]));
    const cost = priced === undefined ? undefined : cached ? 0 : priced;
    logFields.response_id = made.id;
    logFields.cost_usd = cost;
    this.deps.budgets.count(
      this.context.caller.budgets,
      cached ? { hits: 1 } : { cost: costOf(paid, cost) },
      this.context.waitUntil,
    );
    if (paid !== null) {
      logFields.input_tokens = paid.input_tokens;
      logFields.cached_tokens = paid.cached_tokens;
      logFields.output_tokens = paid.output_tokens;
    }
    const { id, response, wantsData, metadata } = made;
    return {
      response,
      context: {
        id,
        previousId: this.options.parent?.id ?? null,
        now: made.at,
        model: made.model,
        wantsData,
        metadata,
        cost,
        cached,
      },
      stored: false,
    };
  }

  /** In USD; undefined where the config has no price. */
  #priceOf({ response, model }: Pick<OwnId, "response" | "model">, usage: Usage | null): number | undefined {
    return costUsd(this.deps.config.prices, [String(response["model"]), model], usage);
  }

  async #keepTurn(made: OwnId): Promise<void> {
    const { deps, context, question } = this;
    const { parent, parentTurn, storesTurn: keeps } = this.options;
    if (!keeps || deps.config.turns === false) return;
    const ancestors = ancestorsOf(parent?.signed?.kept === true ? parent.id : null, parentTurn);
    const { id, input, response, model, wantsData, metadata, at, answerKey } = made;
    const preset = question.composed.preset?.name ?? null;
    const text = encodeTurn({
      id,
      parent: parent?.id ?? null,
      ancestors,
      input,
      response,
      preset,
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
    if (deps.config.continuity === "gateway") await Promise.race([written, deps.sleep(HOLD_FOR_TURN_MS)]);
  }

  #sign(kind: "upstream" | "own", value: string): Promise<string> {
    const turn = (this.options.parent?.turn ?? 0) + 1;
    return signId(this.deps.idKeys, this.context.caller.owner, {
      kind,
      kept: this.options.storesTurn,
      value,
      turn,
      minute: Math.floor(this.deps.now() / 60_000),
    });
  }
}
