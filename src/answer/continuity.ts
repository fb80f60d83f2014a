// How a conversation survives the relay (contract section 4): by upstream's own id while upstream keeps its word, and by the whole
// chain from KV where it has forgotten, says so or not. A call is replayed once at most, and never after a byte has left.
import type { Usage } from "../contract/answer.ts";
import { type JsonObject } from "../core/lib/json.ts";
import { Problem } from "../core/lib/problem.ts";
import { replayInput } from "../core/turns/replay-input.ts";
import type { Turn } from "../core/turns/turn.ts";
import { usageOf } from "../core/upstream/usage.ts";
import type { Deps } from "../deps.ts";
import { readYoungTurn, requireChain } from "./chain.ts";
import { type OpenedCall, openWithFallback, type UpstreamCall } from "./open.ts";
import { parentNotFound, type Parent } from "./parent.ts";

/** A model that forgot is not trusted for a day. */
const CHAIN_SUPPORT_TTL_S = 86_400;

export type Continuity = "upstream" | "gateway" | "replayed";

export interface ContinuedCall extends UpstreamCall {
  owner: string;
  body: JsonObject & { model: string };
  parent: Parent;
  parentTurn: Turn | null;
  /** KV knows that this model forgets. */
  forgets: boolean;
  /**
   * Before a further call, where the one before may have been paid: to which model it went, and what it cost, if that is known.
   * @throws Problem budget_exceeded
   */
  again: (model: string, wasted: Usage | null) => Promise<void>;
  /** The further call has failed. */
  failed: (error: unknown) => void;
  waitUntil: (work: Promise<unknown>) => void;
}

export interface OpenedUpstream {
  opened: OpenedCall;
  how: Continuity;
  /** Tokens of a call that was paid for nothing. */
  wasted: Usage | null;
}

/** Under this key KV remembers a model that ignores `previous_response_id`; undefined for names that no model has. */
export function chainSupportKey(deps: Deps, model: string): string | undefined {
  return /^[\w.:/@+-]{1,200}$/.test(model) ? `forgets:v1:${deps.baseUrl}:${model}` : undefined;
}

/** The way in which conversations are continued here: without turns in KV there is nothing to replay. */
export function continuityOf(deps: Deps, parent: Parent): "auto" | "upstream" | "gateway" {
  return deps.config.turns === false || parent.signed === undefined ? "upstream" : deps.config.continuity;
}

/** @throws Problem */
export async function continueTurn(deps: Deps, call: ContinuedCall): Promise<OpenedUpstream> {
  const mode = continuityOf(deps, call.parent);
  if (mode === "gateway") return replay(deps, call, "gateway", null);
  if (mode === "upstream")
    return {
      opened: await forward(deps, call, await requireUpstreamId(deps, call), call.stream),
      how: "upstream",
      wasted: null,
    };

  const id = upstreamId(call);
  if (call.forgets) deps.chainSupport.set(call.body.model, false);
  if (id === undefined || id.startsWith("chatcmpl-") || deps.chainSupport.get(call.body.model) === false)
    return replay(deps, call, "replayed", null);
  const known = deps.chainSupport.get(call.body.model) === true;
  let opened: OpenedCall;
  try {
    // Of a model that nobody has asked yet, the first event must tell whether it listens, before most of the answer is paid.
    opened = await forward(deps, call, id, call.stream || !known);
  } catch (error) {
    if (!isLostChain(error)) throw error;
    return replay(deps, call, "replayed", null);
  }
  const shown = opened.kind === "whole" ? opened.response : await opened.peek();
  // Events that show no response object at all tell nothing: that answer is taken as it is.
  if (shown === undefined || shown["previous_response_id"] === id) {
    if (shown !== undefined) deps.chainSupport.set(opened.model, true);
    return { opened, how: "upstream", wasted: null };
  }
  if (opened.kind === "stream") opened.cancel();
  rememberNoChainSupport(deps, call, opened.model, known);
  return replay(deps, call, "replayed", { model: opened.model, wasted: usageOf(shown["usage"]) });
}

/** One miss of a model that has listened here may be one backend of many: it is asked as unknown again. Any other forgets for a day. */
function rememberNoChainSupport(deps: Deps, call: ContinuedCall, model: string, known: boolean): void {
  deps.chainSupport.set(model, known ? undefined : false);
  const key = chainSupportKey(deps, model);
  if (!known && key !== undefined) call.waitUntil(deps.store.write(key, "1", CHAIN_SUPPORT_TTL_S));
}

/** @param before a call that was made already and may have been paid: what fails now must not be tried again blindly */
async function replay(
  deps: Deps,
  call: ContinuedCall,
  how: Continuity,
  before: { model: string; wasted: Usage | null } | null,
): Promise<OpenedUpstream> {
  try {
    if (before !== null) await call.again(before.model, before.wasted);
    if (call.parent.signed?.kept !== true) {
      throw parentNotFound(
        "The turn to continue was not kept (store: false), and upstream has lost it. Start a new conversation.",
      );
    }
    const turns = await requireChain(deps, call.owner, call.parent, call.parentTurn);
    const body = { ...call.body, input: replayInput(turns, call.body["input"]) };
    return { opened: await openWithFallback(deps, { ...call, body }), how, wasted: before?.wasted ?? null };
  } catch (error) {
    if (before === null || !(error instanceof Problem)) throw error;
    // Of the two calls only this one is known to have cost nothing.
    call.failed(error);
    const { retryAfter: _, ...details } = error.details;
    throw new Problem(
      error.code,
      `UniAPI had lost the conversation, and a second call came to nothing: ${error.message} The first may have been paid.`,
      {
        ...details,
        paid: "maybe",
      },
    );
  }
}

function forward(deps: Deps, call: ContinuedCall, id: string, stream: boolean): Promise<OpenedCall> {
  return openWithFallback(deps, { ...call, body: { ...call.body, previous_response_id: id }, stream });
}

/** What upstream calls the parent: the turn has its last word, which may differ from what a stream's first event said. */
function upstreamId({ parent, parentTurn }: ContinuedCall): string | undefined {
  if (parent.signed === undefined) return parent.id;
  const told = parentTurn?.response["id"];
  if (typeof told === "string" && told !== "") return told;
  return parent.signed.kind === "upstream" ? parent.signed.value : undefined;
}

async function requireUpstreamId(deps: Deps, call: ContinuedCall): Promise<string> {
  const kept = deps.config.turns !== false && call.parent.signed?.kept === true;
  const id =
    upstreamId(call) ??
    (kept ? upstreamId({ ...call, parentTurn: await readYoungTurn(deps, call.owner, call.parent) }) : undefined);
  if (id === undefined)
    throw parentNotFound(
      "Upstream gave the turn to continue no id, so it can't be continued. Start a new conversation without previous_response_id.",
    );
  return id;
}

/** Upstream says, unpaid, that it does not know the parent (any more). */
function isLostChain(error: unknown): boolean {
  return (
    error instanceof Problem &&
    error.details.paid === "unpaid" &&
    error.details.upstreamCode === "previous_response_not_found"
  );
}
