// The one path from a composed request to an answer: whose turn is continued, is the answer already kept, ask upstream, keep what
// came. The router calls it, a Flight and a Job; it knows nothing of HTTP forms. Every outcome is a value or a Problem.
import type { Usage } from "../contract/answer.ts";
import {
  type CachedAnswer,
  ageOf,
  answerKey,
  decodeAnswer,
  hitHeaders,
  type CacheEntryAge,
} from "../core/cache/cached-answer.ts";
import type { Composed } from "../core/request/compose.ts";
import { deriveDigest } from "../core/callers/ids.ts";
import { planCache } from "../core/cache/policy.ts";
import { Problem } from "../core/lib/problem.ts";
import { decodeTombstone, decodeTurn, turnKey } from "../core/turns/turn.ts";
import { forRestrictedCaller, withModelSetting } from "../core/upstream/upstream-error.ts";
import type { Deps, RequestContext } from "../deps.ts";
import { type Continuity, continueTurn, continuityOf, chainSupportKey } from "./continuity.ts";
import { identityOf } from "./identity.ts";
import { type FinishedAnswer, PendingTurn } from "./pending-turn.ts";
import type { EventBatch } from "./events.ts";
import { readToEnd, type OpenedCall, openWithFallback, readTerminal } from "./open.ts";
import { findParent, parentNotFound, type Parent } from "./parent.ts";
import { canonical } from "../core/lib/canonical.ts";
import type { CacheControl } from "../core/request/cache-control.ts";

export interface Question {
  composed: Composed;
  previousId: string | undefined;
  /** The request's `cache` field. */
  cache: false | "refresh" | number | undefined;
  cacheControl: CacheControl;
  /** Without it only `Cache-Control: max-age` asks for a kept answer. */
  cacheByDefault: boolean;
  metadata: Record<string, string> | undefined;
  stream: boolean;
  /** The id must be known before upstream has named its own (a header of a text stream). */
  idFirst: boolean;
  /** A short wait that upstream asks for may be waited here; SDKs on /v1/responses do that themselves. */
  retries: boolean;
}

export interface WholeAnswer {
  kind: "whole";
  finished: FinishedAnswer;
  headers: Record<string, string>;
  /** It is a hit: what its headers say of its age is true for now only. */
  cacheEntry?: CacheEntryAge;
}

export interface StreamedAnswer {
  kind: "stream";
  /** Our id of the answer to come, where the question wanted it first. */
  id: string | undefined;
  previousId: string | null;
  headers: Record<string, string>;
  /** Our id for the one that an event shows. The same for the same, throughout the stream. */
  idFor: (upstreamId: unknown) => Promise<string>;
  /** The next events of upstream; the last batch has what came of them. @throws Problem */
  next: () => Promise<{ events: EventBatch; finished?: FinishedAnswer }>;
  /** The caller has left. */
  cancel: () => void;
}

/** @throws Problem paused */
export function assertNotPaused({ paused }: Pick<Deps, "paused">): void {
  if (!paused) return;
  throw new Problem(
    "paused",
    "This Worker is paused by its owner. Nothing was asked and nothing was paid; try again later.",
    {
      retryAfter: 60,
    },
  );
}

/** @throws Problem */
export async function answer(
  deps: Deps,
  question: Question,
  context: RequestContext,
): Promise<WholeAnswer | StreamedAnswer> {
  const isRestricted = context.caller.grant !== undefined;
  const got = await lookUpOrCall(deps, question, context).catch((error: unknown) => {
    const problem = withModelSetting(error, question.composed.modelSetting, isRestricted);
    throw isRestricted ? forRestrictedCaller(problem) : problem;
  });
  if (!isRestricted) return got;
  return got.kind === "whole" ? got : { ...got, next: () => got.next().catch(rethrowForRestricted) };
}

function rethrowForRestricted(error: unknown): never {
  throw forRestrictedCaller(error);
}

async function lookUpOrCall(
  deps: Deps,
  question: Question,
  context: RequestContext,
): Promise<WholeAnswer | StreamedAnswer> {
  assertNotPaused(deps);
  const { composed, cacheControl: control } = question;
  const { logFields } = context;
  const { owner } = context.caller;
  const { previousId } = question;
  const parent =
    previousId === undefined
      ? null
      : await findParent(deps, context.caller, previousId, composed.preset?.settings.max_turns);
  const plan = planCache(question.cache, control, cacheSettings(deps, question, parent), composed.body);
  logFields.model = composed.body.model;
  logFields.preset = composed.preset?.name;

  const scope = plan.scope === "shared" && composed.preset !== undefined ? `preset:${composed.preset.name}` : owner;
  const cacheKey =
    plan.read === false && plan.write === false ? undefined : await cacheKeyOf(deps, composed, scope, parent);
  const readKey = plan.read === false ? undefined : cacheKey;
  const parentKey =
    parent?.signed?.kept === true && deps.config.turns !== false ? turnKey(owner, parent.id) : undefined;
  const found = await readKeys(deps, [readKey, parentKey, chainSupportKeyIfNeeded(deps, composed.body.model, parent)]);
  const [kept, parentText, mark] = found;
  if (decodeTombstone(parentText) !== null) throw parentNotFound();

  const keeps = deps.config.turns !== false && composed.body.store !== false && !control.noStore;
  const making = new PendingTurn(deps, context, question, {
    parent,
    parentTurn: decodeTurn(parentText),
    storesTurn: keeps,
    plan,
    cacheKey,
  });
  if (plan.read !== false) {
    const record = decodeAnswer(kept);
    const age = record === null ? null : ageOf(record, plan.read, making.now());
    if (record !== null && age !== null) return await cacheHit(making, record, age, plan.read);
  }
  logFields.cache = cacheKey === undefined ? "bypass" : readKey === undefined ? "refresh" : "miss";
  return await callUpstream(making, mark !== null);
}

async function callUpstream(making: PendingTurn, forgets: boolean): Promise<WholeAnswer | StreamedAnswer> {
  const { deps, context, question } = making;
  const { parent, parentTurn } = making.options;
  if (making.budgetHold.isLimited()) await making.budgetHold.hold(parent, parentTurn);
  context.logFields.asked = true;
  const failed = (error: unknown): never => {
    making.budgetHold.releaseIfUnpaid(error);
    throw error;
  };
  const { opened, how, wasted } = await openUpstream(making, forgets).catch(failed);
  context.logFields.continuity = how;
  context.logFields.model = opened.model;
  if (opened.kind === "whole" || !question.stream) {
    const response =
      opened.kind === "whole" ? opened.response : await readToEnd(deps, opened, context.waitUntil).catch(failed);
    const finished = await making.settle(response, opened.model, wasted);
    return { kind: "whole", finished, headers: headersOf(making, how, finished.stored) };
  }
  const id = question.idFirst ? await making.promiseId(opened.first?.["id"]) : undefined;
  return {
    kind: "stream",
    id,
    previousId: making.options.parent?.id ?? null,
    headers: headersOf(making, how, false),
    idFor: (upstreamId) => making.idFor(upstreamId),
    async next() {
      let said;
      try {
        said = await opened.next();
      } catch (error) {
        return failed(error);
      }
      const { events, terminal } = said;
      if (terminal === undefined) return said;
      context.waitUntil(opened.drain());
      const response = await readTerminal(deps, terminal).catch(failed);
      return { events, finished: await making.settle(response, opened.model, wasted) };
    },
    cancel: opened.cancel,
  };
}

async function openUpstream(
  making: PendingTurn,
  forgets: boolean,
): Promise<{ opened: OpenedCall; how: Continuity | undefined; wasted: Usage | null }> {
  const { deps, context, question } = making;
  const { parent, parentTurn } = making.options;
  const { models, preset } = question.composed;
  const restricted = context.caller.grant !== undefined;
  const composed = question.composed.body;
  const body = restricted ? { ...composed, ...(await identityOf(deps, context, preset?.name)) } : composed;
  const call = { body, models, stream: question.stream, retries: question.retries, restricted, signal: context.signal };
  if (parent !== null) {
    const { owner } = context.caller;
    const { budgetHold: spending } = making;
    const again = (model: string, wasted: Usage | null): Promise<void> =>
      spending.holdAgain(parent, parentTurn, model, wasted);
    const failed = (error: unknown): void => spending.releaseIfUnpaid(error);
    return await continueTurn(deps, {
      ...call,
      owner,
      parent,
      parentTurn,
      forgets,
      again,
      failed,
      waitUntil: context.waitUntil,
    });
  }
  return { opened: await openWithFallback(deps, call), how: undefined, wasted: null };
}

async function cacheHit(making: PendingTurn, record: CachedAnswer, age: number, maxAge: number): Promise<WholeAnswer> {
  making.context.logFields.cache = "hit";
  const kept = { at: record.at, lifetime: Math.min(maxAge, record.ttl) };
  return {
    kind: "whole",
    finished: await making.repeat(record, age),
    headers: hitHeaders(kept, making.now()),
    cacheEntry: kept,
  };
}

function cacheSettings(
  deps: Deps,
  { composed, cacheByDefault, cacheControl: control }: Question,
  parent: Parent | null,
): Parameters<typeof planCache>[2] {
  if (!cacheByDefault && control.maxAge === undefined) return false;
  // A preset's own setting, which the config's fills where it has none.
  const whole = deps.config.cache === false ? false : { ttl: deps.config.cache.ttl, scope: "owner" as const };
  const settings = composed.preset?.settings.cache ?? whole;
  // A follow-up belongs to one conversation: only root requests can be shared.
  return settings === false || parent === null ? settings : { ...settings, scope: "owner" };
}

async function cacheKeyOf(deps: Deps, composed: Composed, scope: string, parent: Parent | null): Promise<string> {
  const hash = await deriveDigest(
    deps.idKeys,
    "answer",
    `${deps.baseUrl}\0${composed.models.slice(1).join()}\0${canonical(composed.body)}`,
  );
  // A raw id may read like anything, "root" included.
  return answerKey(scope, parent === null ? null : parent.signed === undefined ? `raw:${parent.id}` : parent.id, hash);
}

/** Where KV says whether a model forgets; only asked where that matters and this isolate does not know. */
function chainSupportKeyIfNeeded(deps: Deps, model: string, parent: Parent | null): string | undefined {
  if (parent === null || continuityOf(deps, parent) !== "auto" || deps.chainSupport.get(model) !== undefined)
    return undefined;
  return chainSupportKey(deps, model);
}

/** One read for all; the places of keys that are not wanted stay null. */
async function readKeys(
  deps: Deps,
  keys: readonly [string | undefined, string | undefined, string | undefined],
): Promise<[string | null, string | null, string | null]> {
  const wanted = keys.filter((key) => key !== undefined);
  const found = wanted.length === 0 ? [] : await deps.store.read(wanted);
  const at = (key: string | undefined): string | null =>
    key === undefined ? null : (found[wanted.indexOf(key)] ?? null);
  return [at(keys[0]), at(keys[1]), at(keys[2])];
}

function headersOf({ context }: PendingTurn, how: Continuity | undefined, stored: boolean): Record<string, string> {
  const { cache } = context.logFields;
  const forwarded = cache === "bypass" ? "fwd=bypass" : cache === "refresh" ? "fwd=request" : "fwd=miss";
  return {
    "cache-status": `uniapi-edge; ${forwarded}${stored ? "; stored" : ""}`,
    ...(how === undefined ? {} : { "x-continuity": how }),
  };
}
