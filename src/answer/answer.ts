// From a composed request to its answer: answer() → lookUpOrCall → callUpstream → openUpstream. Finds the parent, looks up the answer in
// the cache, calls upstream, and stores the result. Routes, runs and jobs call answer(). Knows nothing about HTTP: every outcome is a value
// or a Problem.
import type { Usage } from "../contract/answer.ts";
import {
  ageOf,
  answerKey,
  type CachedAnswer,
  type CacheEntryAge,
  decodeAnswer,
  hitHeaders,
} from "../core/cache/cached-answer.ts";
import { type CachePlan, type CacheSettings, planCache } from "../core/cache/policy.ts";
import { Problem } from "../core/lib/problem.ts";
import type { CacheControl } from "../core/request/headers.ts";
import type { Composed } from "../core/request/compose.ts";
import { decodeTombstone, decodeTurn, turnKey } from "../core/turns/turn.ts";
import { withoutUpstreamWords, withModelSettings } from "../core/upstream/error-for-caller.ts";
import type { EventBatch } from "../core/upstream/event.ts";
import type { Deps, RequestContext } from "../deps.ts";
import { findParent, type Parent, parentNotFound } from "./chain.ts";
import { chainSupportKey, type Continuity, continueTurn, continuityOf } from "./continuity.ts";
import { identityOf } from "./identity.ts";
import { resolveReferences } from "./item-index.ts";
import { openWithRepair } from "./items.ts";
import { type OpenedCall, readTerminal, readCompleteResponse } from "./upstream-call.ts";
import { type FinishedAnswer, PendingTurn } from "./pending-turn.ts";
import { deriveDigest } from "../core/callers/owner.ts";
import { canonicalJson, type JsonObject } from "../core/lib/json.ts";

/** A composed request, and how to answer it. Plain data, because it is sent to a run's Durable Object. */
export interface Question {
  composed: Composed;
  /** `previous_response_id` as the caller sent it. */
  previousId: string | undefined;
  /** The request's `cache` field. */
  cache: false | "refresh" | number | undefined;
  cacheControl: CacheControl;
  /** If false, only `Cache-Control: max-age` with at least one second makes the request use the cache. */
  cacheByDefault: boolean;
  /** The request's own metadata, without the preset's. */
  metadata: Record<string, string> | undefined;
  stream: boolean;
  /** Which deltas a stream sends to the caller while they arrive: those of texts, or also those of a call's arguments. */
  live: "text" | "all";
  /** Whether a later request may refer to items of the answer by their ids. */
  indexesItems?: boolean;
  /** Whether to wait and retry if upstream is busy and asks for a short wait. False on /v1/responses, where OpenAI's SDKs do this. */
  retryIfBusy: boolean;
}

/** A complete answer: a cache hit, the reply to a request that does not stream, or a reply that upstream sent as JSON. */
export interface WholeAnswer {
  kind: "whole";
  finished: FinishedAnswer;
  headers: Record<string, string>;
  /** Set for a cache hit. `headers` contains its current age; a run that replays the hit later computes the age again. */
  cacheEntry?: CacheEntryAge;
}

/** An answer whose first events have arrived. */
export interface StreamedAnswer {
  kind: "stream";
  /** The signed id of the pending answer. */
  id: string;
  previousId: string | null;
  headers: Record<string, string>;
  /** Returns upstream's next events; the last batch has the finished answer. @throws Problem */
  next: () => Promise<{ events: EventBatch; finished?: FinishedAnswer }>;
  /** Returns upstream's response with the items so far, after `next` has thrown. */
  failedResponse: () => JsonObject;
  /** Call this when the caller disconnects. */
  cancel: () => void;
}

/** @throws Problem 503 paused */
export function assertNotPaused({ paused }: Pick<Deps, "paused">): void {
  if (!paused) return;
  throw new Problem(
    "paused",
    "This Worker is paused by its owner. UniAPI was not called and nothing was billed; try again later.",
    {
      retryAfter: 60,
    },
  );
}

/**
 * Answers a question from the cache or by a call to upstream, which may cost money.
 * @throws Problem; for a restricted caller, it omits upstream's own words, since these may describe the preset
 */
export async function answer(
  deps: Deps,
  question: Question,
  context: RequestContext,
): Promise<WholeAnswer | StreamedAnswer> {
  const isRestricted = context.caller.grant !== undefined;
  const reply = await lookUpOrCall(deps, question, context).catch((error: unknown) => {
    const problem = withModelSettings(error, question.composed.modelSettings, isRestricted);
    throw isRestricted ? withoutUpstreamWords(problem) : problem;
  });
  if (!isRestricted) return reply;
  return reply.kind === "whole" ? reply : { ...reply, next: () => reply.next().catch(rethrowForRestricted) };
}

function rethrowForRestricted(error: unknown): never {
  throw withoutUpstreamWords(error);
}

/**
 * Finds the parent, reads the cached answer and the parent's turn in a single KV read, and calls upstream if there is no usable cached
 * answer.
 */
async function lookUpOrCall(
  deps: Deps,
  asked: Question,
  context: RequestContext,
): Promise<WholeAnswer | StreamedAnswer> {
  assertNotPaused(deps);
  const question = await withReferencedItems(deps, asked, context);
  const { composed, cacheControl, previousId } = question;
  const { logFields } = context;
  const { owner } = context.caller;
  const parent =
    previousId === undefined
      ? null
      : await findParent(deps, context.caller, previousId, composed.preset?.settings.max_turns);
  const plan = planCache(question.cache, cacheControl, cacheSettings(deps, question, parent), composed.body);
  logFields.model = composed.body.model;
  logFields.preset = composed.preset?.name;

  const cacheKey = await cacheKeyOf(deps, composed, plan, owner, parent);
  const cacheReadKey = plan.read === false ? undefined : cacheKey;
  const parentKey =
    parent?.signed?.isStored === true && deps.config.turns !== false ? turnKey(owner, parent.id) : undefined;
  const texts = await readKeys(deps, {
    cachedAnswer: cacheReadKey,
    parentTurn: parentKey,
    noChainSupport: chainSupportKeyIfNeeded(deps, composed.body.model, parent),
  });
  if (decodeTombstone(texts.parentTurn) !== null) throw parentNotFound();

  const pending = new PendingTurn(deps, context, question, {
    parent,
    parentTurn: decodeTurn(texts.parentTurn),
    storesTurn: deps.config.turns !== false && composed.body.store !== false && !cacheControl.noStore,
    plan,
    cacheKey,
  });
  if (plan.read !== false) {
    const cached = decodeAnswer(texts.cachedAnswer);
    const age = cached === null ? null : ageOf(cached, plan.read, pending.now());
    if (cached !== null && age !== null) return await answerFromCache(pending, cached, age, plan.read);
  }
  logFields.cache = cacheKey === undefined ? "bypass" : cacheReadKey === undefined ? "refresh" : "miss";
  return await callUpstream(pending, texts.noChainSupport !== null);
}

/** Replaces references in the input with the items themselves, so that the stored turn contains these, too. */
async function withReferencedItems(deps: Deps, question: Question, { caller }: RequestContext): Promise<Question> {
  const { composed } = question;
  // A restricted caller's input has messages only.
  if (caller.grant !== undefined) return question;
  const input = await resolveReferences(deps, caller.owner, composed.body["input"]);
  return input === undefined ? question : { ...question, composed: { ...composed, body: { ...composed.body, input } } };
}

/**
 * Makes the call that may cost money, within the caller's budget.
 * @param noChainSupport whether KV marks the model as one that does not continue by id
 */
async function callUpstream(pending: PendingTurn, noChainSupport: boolean): Promise<WholeAnswer | StreamedAnswer> {
  const { deps, context, question, budgetHold } = pending;
  const { parent, parentTurn } = pending.options;
  if (budgetHold.isLimited()) await budgetHold.hold(parent, parentTurn);
  context.logFields.upstream_called = true;
  const releaseAndRethrow = (error: unknown): never => {
    budgetHold.releaseIfUnpaid(error);
    throw error;
  };
  const { call, continuity, wastedUsage } = await openUpstream(pending, noChainSupport).catch(releaseAndRethrow);
  context.logFields.continuity = continuity;
  context.logFields.model = call.model;
  if (call.kind === "whole" || !question.stream) {
    const response = await readCompleteResponse(deps, call, context.waitUntil).catch(releaseAndRethrow);
    const finished = await pending.settle(response, call.model, wastedUsage);
    return { kind: "whole", finished, headers: missHeaders(pending, continuity, finished.stored) };
  }
  return {
    kind: "stream",
    id: await pending.assignId(call.firstResponse?.["id"]),
    previousId: parent?.id ?? null,
    headers: missHeaders(pending, continuity, false),
    async next() {
      let batch;
      try {
        batch = await call.next();
      } catch (error) {
        return releaseAndRethrow(error);
      }
      const { events, terminal } = batch;
      if (terminal === undefined) return { events };
      context.waitUntil(call.drain());
      // A failed response may still have its usage.
      if (terminal.kind === "error" && terminal.response !== undefined)
        await pending.settle(terminal.response, call.model, wastedUsage);
      try {
        return { events, finished: await pending.settle(readTerminal(deps, terminal), call.model, wastedUsage) };
      } catch (error) {
        return releaseAndRethrow(error);
      }
    },
    failedResponse: call.failedResponse,
    cancel: call.cancel,
  };
}

/** Opens the call. For a follow-up, continueTurn decides how it reaches its history. */
async function openUpstream(
  pending: PendingTurn,
  noChainSupport: boolean,
): Promise<{ call: OpenedCall; continuity: Continuity | undefined; wastedUsage: Usage | null }> {
  const { deps, context, question, budgetHold } = pending;
  const { parent, parentTurn } = pending.options;
  const { body: composedBody, models, preset } = question.composed;
  const isRestricted = context.caller.grant !== undefined;
  const body = isRestricted ? { ...composedBody, ...(await identityOf(deps, context, preset?.name)) } : composedBody;
  const call = {
    body,
    models,
    stream: question.stream,
    live: question.stream ? question.live : undefined,
    retryIfBusy: question.retryIfBusy,
    isRestricted,
    signal: context.signal,
    logFields: context.logFields,
  };
  if (parent === null) return { call: await openWithRepair(deps, call), continuity: undefined, wastedUsage: null };
  return await continueTurn(deps, {
    ...call,
    owner: context.caller.owner,
    parent,
    parentTurn,
    noChainSupport,
    holdAgain: (model, wastedUsage) => budgetHold.holdAgain(parent, parentTurn, model, wastedUsage),
    releaseIfUnpaid: (error) => budgetHold.releaseIfUnpaid(error),
    waitUntil: context.waitUntil,
  });
}

async function answerFromCache(
  pending: PendingTurn,
  cached: CachedAnswer,
  age: number,
  maxAge: number,
): Promise<WholeAnswer> {
  pending.context.logFields.cache = "hit";
  const cacheEntry = { at: cached.at, lifetime: Math.min(maxAge, cached.ttl) };
  const finished = await pending.finishFromCache(cached, age);
  return { kind: "whole", finished, headers: hitHeaders(cacheEntry, pending.now()), cacheEntry };
}

/** Returns the preset's cache settings, or else the config's; false if this request does not use the cache. */
function cacheSettings(
  deps: Deps,
  { composed, cacheByDefault, cacheControl }: Question,
  parent: Parent | null,
): CacheSettings | false {
  if (!cacheByDefault && (cacheControl.maxAge ?? 0) === 0) return false;
  const fromConfig = deps.config.cache === false ? false : { ttl: deps.config.cache.ttl, scope: "owner" as const };
  const settings = composed.preset?.settings.cache ?? fromConfig;
  // A follow-up belongs to one conversation, so only answers to root requests can be shared.
  return settings === false || parent === null ? settings : { ...settings, scope: "owner" };
}

/** Returns the KV key of the request's cached answer; undefined if the request bypasses the cache. */
async function cacheKeyOf(
  deps: Deps,
  composed: Composed,
  plan: CachePlan,
  owner: string,
  parent: Parent | null,
): Promise<string | undefined> {
  if (plan.read === false && plan.write === false) return undefined;
  const scope = plan.scope === "shared" && composed.preset !== undefined ? `preset:${composed.preset.name}` : owner;
  const hash = await deriveDigest(
    deps.idKeys,
    "answer",
    `${deps.baseUrl}\0${composed.models.slice(1).join()}\0${canonicalJson(composed.body)}`,
  );
  // A raw upstream id can be any string, even "root". The prefix distinguishes it from a signed id and from the root's key.
  return answerKey(scope, parent === null ? null : parent.signed === undefined ? `raw:${parent.id}` : parent.id, hash);
}

/**
 * Returns the KV key of the model's chain support; undefined if the request isn't a follow-up that tries the parent id, or if this isolate
 * already knows the chain support.
 */
function chainSupportKeyIfNeeded(deps: Deps, model: string, parent: Parent | null): string | undefined {
  if (parent === null || continuityOf(deps, parent) !== "auto" || deps.chainSupport.get(model) !== undefined)
    return undefined;
  return chainSupportKey(deps, model);
}

interface LookupKeys {
  cachedAnswer: string | undefined;
  parentTurn: string | undefined;
  noChainSupport: string | undefined;
}

/** Reads the keys in one KV call. @returns null for a key that is undefined or has no value in KV */
async function readKeys(
  deps: Deps,
  { cachedAnswer, parentTurn, noChainSupport }: LookupKeys,
): Promise<Record<keyof LookupKeys, string | null>> {
  const keys = [cachedAnswer, parentTurn, noChainSupport].filter((key) => key !== undefined);
  const texts = keys.length === 0 ? [] : await deps.store.read(keys);
  const textOf = (key: string | undefined): string | null =>
    key === undefined ? null : (texts[keys.indexOf(key)] ?? null);
  return {
    cachedAnswer: textOf(cachedAnswer),
    parentTurn: textOf(parentTurn),
    noChainSupport: textOf(noChainSupport),
  };
}

/**
 * Builds `Cache-Status` (RFC 9211) and `X-Continuity` for an answer that is not from the cache.
 * @param stored whether the answer was just written to the cache
 */
function missHeaders(
  { context }: PendingTurn,
  continuity: Continuity | undefined,
  stored: boolean,
): Record<string, string> {
  const { cache } = context.logFields;
  const forwarded = cache === "bypass" ? "fwd=bypass" : cache === "refresh" ? "fwd=request" : "fwd=miss";
  return {
    "cache-status": `uniapi-edge; ${forwarded}${stored ? "; stored" : ""}`,
    ...(continuity === undefined ? {} : { "x-continuity": continuity }),
  };
}
