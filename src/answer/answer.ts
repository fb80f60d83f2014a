// The one path from a composed request to an answer: whose turn is continued, is the answer already kept, ask upstream, keep what
// came. The router calls it (a Flight and a Job will); it knows nothing of HTTP forms. Every outcome is a value or a Problem.
import { type AnswerRecord, ageOf, answerKey, decodeAnswer, encodeAnswer } from "../core/answer-record.ts";
import type { Composed } from "../core/compose.ts";
import { deriveDigest, fitsInId, signId } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import { type CacheControl, type CachePlan, canonical, isKeepable, planCache } from "../core/policy.ts";
import { Problem } from "../core/problem.ts";
import { type Answer, trim } from "../core/trim.ts";
import { decodeTurn, encodeTurn, lineage, type Turn, turnKey } from "../core/turn.ts";
import { costUsd, usageOf } from "../core/usage.ts";
import type { Deps, RequestContext } from "../deps.ts";
import { findParent, type Parent, upstreamIdOf } from "./parent.ts";
import { type EventBatch, openStream, type Opened, readTerminal } from "./open.ts";

export interface Question {
  composed: Composed;
  previousId: string | undefined;
  /** The request's `cache` field. */
  cache: false | "refresh" | number | undefined;
  control: CacheControl;
  metadata: Record<string, string> | undefined;
  stream: boolean;
  /** The id must be known before upstream has named its own (a header of a text stream). */
  idFirst: boolean;
}

export interface Whole {
  kind: "whole";
  answer: Answer;
  headers: Record<string, string>;
}

export interface Streamed {
  kind: "stream";
  /** Our id of the answer to come, where the question wanted it first. */
  id: string | undefined;
  headers: Record<string, string>;
  /** The next events of upstream; the last batch has the answer. @throws Problem */
  next: () => Promise<{ events: EventBatch; answer?: Answer }>;
  /** The caller has left. */
  cancel: () => void;
}

/** @throws Problem */
export async function answer(deps: Deps, question: Question, context: RequestContext): Promise<Whole | Streamed> {
  if (deps.paused)
    throw new Problem("paused", "This Worker is paused by its owner. Nothing was asked and nothing was paid; try again later.", {
      retryAfter: 60,
    });
  const { composed } = question;
  const owner = context.caller.owner;
  const parent = await findParent(deps, owner, question.previousId, composed.preset?.settings.max_turns);
  const plan = planCache(question.cache, question.control, cacheSettings(deps, composed, parent), composed.body);
  context.facts.model = composed.body.model;
  context.facts.preset = composed.preset?.name;

  const cacheKey = plan.read === false && plan.write === false ? undefined : await keyOf(deps, composed, plan, owner, parent);
  const keeps = deps.config.turns !== false && composed.body.store !== false && !question.control.noStore;
  const readKey = plan.read === false ? undefined : cacheKey;
  const parentKey = parent?.signed !== undefined && (keeps || parent.signed.kind === "own") ? turnKey(owner, parent.id) : undefined;
  const wanted = [readKey, parentKey].filter((key) => key !== undefined);
  const found = wanted.length === 0 ? [] : await deps.store.read(wanted);
  const parentTurn = parentKey === undefined ? null : decodeTurn(found.at(-1) ?? null);

  const turn = { deps, context, question, parent, parentTurn, keeps, plan, cacheKey };
  if (readKey !== undefined && plan.read !== false) {
    const record = decodeAnswer(found[0] ?? null);
    const age = record === null ? null : ageOf(record, plan.read, seconds(deps));
    if (record !== null && age !== null) return await hit(turn, record, age, plan.read);
  }
  context.facts.cache = cacheKey === undefined ? "bypass" : readKey === undefined ? "refresh" : "miss";
  return await ask(turn);
}

/** Everything that is known of a turn before upstream is asked. */
interface TurnInMaking {
  deps: Deps;
  context: RequestContext;
  question: Question;
  parent: Parent | null;
  parentTurn: Turn | null;
  keeps: boolean;
  plan: CachePlan;
  cacheKey: string | undefined;
}

async function ask(turn: TurnInMaking): Promise<Whole | Streamed> {
  const { deps, context, question, parent } = turn;
  const body: JsonObject = { ...question.composed.body };
  if (parent !== null) {
    body["previous_response_id"] = await upstreamIdOf(deps, context.caller.owner, parent, turn.parentTurn);
    context.facts.continuity = "upstream";
  }
  const opened: Opened = await openStream(deps, body, question.composed.models, question.stream, context.signal);
  context.facts.model = opened.model;
  if (opened.kind === "whole") {
    const { answer, stored } = await settle(turn, opened.response, opened.model, undefined);
    return { kind: "whole", answer, headers: headersOf(turn, stored) };
  }

  // An id of our own leads upstream by its turn alone; without one, upstream's first word about its id must do.
  const id = question.idFirst ? await (turn.keeps ? ownId(turn) : idFor(turn, opened.id)) : undefined;
  return {
    kind: "stream",
    id,
    headers: headersOf(turn, false),
    async next() {
      const { events, terminal } = await opened.next();
      if (terminal === undefined) return { events };
      context.later(opened.drain());
      const { answer } = await settle(turn, readTerminal(deps, terminal), opened.model, id);
      return { events, answer };
    },
    cancel: opened.cancel,
  };
}

/**
 * A response that came whole: named, kept, counted, trimmed.
 * @param model which of the preset's models was asked
 */
async function settle(
  turn: TurnInMaking,
  response: JsonObject,
  model: string,
  promisedId: string | undefined,
): Promise<{ answer: Answer; stored: boolean }> {
  const { deps, context, question, plan, cacheKey } = turn;
  if (response["status"] === "failed") {
    throw new Problem("upstream_error", "The model failed to answer. The call may have been paid; send it again only if you accept that.", {
      paid: "maybe",
      reason: "status failed",
    });
  }
  const id = promisedId ?? (await idFor(turn, response["id"]));
  const input = question.composed.body.input;
  const facts = {
    input,
    response,
    model,
    wantsData: question.composed.wantsData,
    metadata: question.metadata,
    at: seconds(deps),
  };
  keepTurn(turn, { id, ...facts });
  let stored = false;
  if (plan.write !== false && cacheKey !== undefined && isKeepable(response)) {
    const text = encodeAnswer({ ...facts, id, owner: context.caller.owner, ttl: plan.write });
    if (text === null) deps.log.warn("answer_too_large");
    else context.later(deps.store.write(cacheKey, text, plan.write));
    stored = text !== null;
  }
  return { answer: trimmed(turn, response, id, facts, undefined), stored };
}

/**
 * A kept answer. Its first owner gets the same id; another reader of a shared preset an id of his own. Either can be continued: the
 * turn is written where it is not there, or not any more.
 */
async function hit(turn: TurnInMaking, record: AnswerRecord, age: number, maxAge: number): Promise<Whole> {
  const { context, deps } = turn;
  const own = record.owner === context.caller.owner;
  const id = own ? record.id : await idFor(turn, record.response["id"]);
  const remembered = own && deps.config.turns !== false && age < deps.config.turns.ttl;
  if (!remembered) keepTurn(turn, { ...record, id });
  context.facts.cache = "hit";
  const ttl = Math.min(maxAge, record.ttl) - age;
  return {
    kind: "whole",
    answer: trimmed(turn, record.response, id, record, 0),
    headers: { "cache-status": `uniapi-edge; hit; ttl=${ttl}`, age: String(age) },
  };
}

/** @param paid what this answer cost, where that is not what its tokens say */
function trimmed(
  turn: TurnInMaking,
  response: JsonObject,
  id: string,
  asked: Pick<Turn, "wantsData" | "metadata" | "model" | "at">,
  paid: 0 | undefined,
): Answer {
  const { deps, context, parent } = turn;
  const usage = usageOf(response["usage"]);
  const cost = costUsd(deps.config.prices, [String(response["model"]), asked.model], usage);
  const { facts } = context;
  facts.response_id = id;
  facts.cost_usd = cost === undefined ? undefined : (paid ?? cost);
  if (usage !== null && paid === undefined) {
    facts.input_tokens = usage.input_tokens;
    facts.cached_tokens = usage.cached_tokens;
    facts.output_tokens = usage.output_tokens;
  }
  return trim(response, {
    id,
    previousId: parent?.id ?? null,
    now: asked.at,
    wantsData: asked.wantsData,
    metadata: asked.metadata,
    cost: facts.cost_usd,
    cached: paid === 0,
  });
}

function keepTurn(turn: TurnInMaking, made: Pick<Turn, "id" | "input" | "response" | "model" | "wantsData" | "metadata" | "at">): void {
  const { deps, context, question, parent } = turn;
  if (!turn.keeps || deps.config.turns === false) return;
  const text = encodeTurn({
    id: made.id,
    parent: parent?.id ?? null,
    ancestors: lineage(parent?.signed === undefined ? null : parent.id, turn.parentTurn),
    input: made.input,
    response: made.response,
    preset: question.composed.preset?.name ?? null,
    wantsData: made.wantsData,
    metadata: made.metadata,
    model: made.model,
    at: made.at,
  });
  if (text === null) deps.log.warn("turn_too_large");
  else context.later(deps.store.write(turnKey(context.caller.owner, made.id), text, deps.config.turns.ttl));
}

function idFor(turn: TurnInMaking, upstreamId: unknown): Promise<string> {
  if (!fitsInId(upstreamId)) return ownId(turn);
  return sign(turn, "upstream", upstreamId);
}

function ownId(turn: TurnInMaking): Promise<string> {
  return sign(turn, "own", turn.deps.random(16));
}

function sign({ deps, context, parent }: TurnInMaking, kind: "upstream" | "own", value: string): Promise<string> {
  return signId(deps.idKeys, context.caller.owner, { kind, value, turn: (parent?.turn ?? 0) + 1, minute: Math.floor(deps.now() / 60_000) });
}

function cacheSettings(deps: Deps, composed: Composed, parent: Parent | null): Parameters<typeof planCache>[2] {
  if (deps.config.cache === false) return false;
  const settings = composed.preset?.settings.cache ?? { ttl: deps.config.cache.ttl, scope: "owner" as const };
  // A follow-up belongs to one conversation: only root requests can be shared.
  return settings === false || parent === null ? settings : { ...settings, scope: "owner" };
}

async function keyOf(deps: Deps, composed: Composed, plan: CachePlan, owner: string, parent: Parent | null): Promise<string> {
  const hash = await deriveDigest(deps.idKeys, "answer", `${deps.baseUrl}\0${canonical(composed.body)}`);
  const scope = plan.scope === "shared" && composed.preset !== undefined ? `preset:${composed.preset.name}` : owner;
  // A raw id may read like anything, "root" included.
  const parentKey = parent === null ? null : parent.signed === undefined ? `raw:${parent.id}` : parent.id;
  return answerKey(scope, parentKey, hash);
}

function headersOf({ context, parent }: TurnInMaking, stored: boolean): Record<string, string> {
  const how = context.facts.cache === "bypass" ? "fwd=bypass" : context.facts.cache === "refresh" ? "fwd=request" : "fwd=miss";
  const headers: Record<string, string> = { "cache-status": `uniapi-edge; ${how}${stored ? "; stored" : ""}` };
  if (parent !== null) headers["x-continuity"] = "upstream";
  return headers;
}

function seconds(deps: Deps): number {
  return Math.floor(deps.now() / 1_000);
}
