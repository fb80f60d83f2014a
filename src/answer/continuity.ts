// How a follow-up reaches its history (docs/contract.md §4): by upstream's id while the model continues by id, or else by replay of the
// whole chain from KV. Some backends refuse an id that they have lost, or a tool's output whose call they have lost; others answer without
// the history. A call is replayed at most once, and never after bytes were sent to the caller.
import type { Usage } from "../contract/answer.ts";
import type { JsonObject } from "../core/lib/json.ts";
import { Problem } from "../core/lib/problem.ts";
import { replayInput } from "../core/turns/replay-input.ts";
import type { Turn } from "../core/turns/turn.ts";
import { usageOfResponse } from "../core/upstream/usage.ts";
import type { Deps } from "../deps.ts";
import { type Parent, parentNotFound, readYoungTurn, requireChain } from "./chain.ts";
import { openWithRepair } from "./items.ts";
import { countRepeatedCall, type OpenedCall, openWithFallback, type UpstreamCall } from "./upstream-call.ts";

/** How long a model counts as one that does not continue by id. */
const NO_CHAIN_SUPPORT_TTL_S = 86_400;

/**
 * `upstream`: by upstream's id. `gateway`: by replay, as the config demands. `replayed`: by replay, because upstream can't continue by id.
 */
export type Continuity = "upstream" | "gateway" | "replayed";

export interface ContinuedCall extends UpstreamCall {
  owner: string;
  body: JsonObject & { model: string };
  parent: Parent;
  /** The parent's turn; null if KV does not show it. */
  parentTurn: Turn | null;
  /** Whether KV marks the model as one that does not continue by id. */
  noChainSupport: boolean;
  /**
   * Call this before a second upstream call, if the first one may have been paid.
   * @param model the model of the first call
   * @param wastedUsage the usage of the first call; null if unknown
   * @throws Problem budget_exceeded
   */
  holdAgain: (model: string, wastedUsage: Usage | null) => Promise<void>;
  /** Call this when the second upstream call has failed. */
  releaseIfUnpaid: (error: unknown) => void;
  waitUntil: (work: Promise<unknown>) => void;
}

export interface ContinuedReply {
  call: OpenedCall;
  continuity: Continuity;
  /** The usage of a first call whose answer was discarded; null if there was none, or if its usage is unknown. */
  wastedUsage: Usage | null;
}

/**
 * Returns the KV key that marks a model as one that ignores `previous_response_id`; undefined for a string that can't be a model's name.
 */
export function chainSupportKey(deps: Deps, model: string): string | undefined {
  return /^[\w.:/@+-]{1,200}$/.test(model) ? `no-chain-support:v1:${deps.baseUrl}:${model}` : undefined;
}

/** Returns the configured mode, or `upstream` if the parent can't be in KV, because then there is nothing to replay. */
export function continuityOf(deps: Deps, parent: Parent): "auto" | "upstream" | "gateway" {
  return deps.config.turns === false || parent.signed === undefined ? "upstream" : deps.config.continuity;
}

/**
 * Opens the call of a follow-up in the way that its model and the config allow.
 * @throws Problem previous_response_not_found, conversation_too_long, unavailable, budget_exceeded, or upstream's problem
 */
export async function continueTurn(deps: Deps, call: ContinuedCall): Promise<ContinuedReply> {
  const mode = continuityOf(deps, call.parent);
  if (mode === "gateway") return replay(deps, call, "gateway", null);
  if (mode === "upstream") {
    const upstreamId = await requireUpstreamId(deps, call);
    const opened = await continueById(deps, call, upstreamId, call.stream).catch((error: unknown) => {
      throw isLostChain(error) && error.details.refusalOf !== "items" ? cannotReplay(error) : error;
    });
    return { call: opened, continuity: "upstream", wastedUsage: null };
  }

  const upstreamId = upstreamIdOf(call);
  if (call.noChainSupport) deps.chainSupport.set(call.body.model, false);
  if (
    upstreamId === undefined ||
    // Such an id comes from the chat API, which has no conversations.
    upstreamId.startsWith("chatcmpl-") ||
    deps.chainSupport.get(call.body.model) === false
  )
    return replay(deps, call, "replayed", null);
  const isKnownToContinue = deps.chainSupport.get(call.body.model) === true;
  let opened: OpenedCall;
  try {
    // If the model's chain support is unknown, the call streams. Its first event shows whether the model continues, before most of the
    // answer is paid.
    opened = await continueById(deps, call, upstreamId, call.stream || !isKnownToContinue);
  } catch (error) {
    if (!isLostChain(error) || call.signal?.aborted === true) throw error;
    // The items may be the caller's own. Upstream's error is then more useful than ours.
    if (error.details.refusalOf === "items" && call.parent.signed?.isStored !== true) throw error;
    countRepeatedCall(call.logFields);
    const replayed = await replay(deps, call, "replayed", null);
    // Only now is it certain that the refusal was about the chain.
    rememberLoss(deps, call, replayed.call.model, error.details.refusalOf === "calls");
    return replayed;
  }
  const response = opened.kind === "whole" ? opened.response : await opened.peek();
  // A model that continues names the parent in its response object. If the stream has no response object, the answer is accepted.
  if (response === undefined || response["previous_response_id"] === upstreamId) {
    if (response !== undefined) deps.chainSupport.set(opened.model, true);
    return { call: opened, continuity: "upstream", wastedUsage: null };
  }
  if (opened.kind === "stream") opened.cancel();
  rememberLoss(deps, call, opened.model, false);
  countRepeatedCall(call.logFields);
  return replay(deps, call, "replayed", { model: opened.model, usage: usageOfResponse(response) });
}

/**
 * Records that a model did not continue by id: it counts as one without chain support for a day. If it has continued before, one of its
 * many backends may be at fault, so its chain support only becomes unknown.
 * @param forgetsCalls whether a backend refused a tool's output because it had lost the call. Such a backend ignores other parents
 * silently, so this isolate replays immediately from now on
 */
function rememberLoss(deps: Deps, call: ContinuedCall, model: string, forgetsCalls: boolean): void {
  const isKnownToContinue = deps.chainSupport.get(model) === true;
  deps.chainSupport.set(model, isKnownToContinue && !forgetsCalls ? undefined : false);
  const key = chainSupportKey(deps, model);
  if (!isKnownToContinue && key !== undefined) call.waitUntil(deps.store.write(key, "1", NO_CHAIN_SUPPORT_TTL_S));
}

/**
 * Sends the whole chain as input.
 * @param firstCall an earlier call that may have been paid; null if there was none. After it, a failure must not look safe to retry
 */
async function replay(
  deps: Deps,
  call: ContinuedCall,
  continuity: Continuity,
  firstCall: { model: string; usage: Usage | null } | null,
): Promise<ContinuedReply> {
  try {
    if (firstCall !== null) await call.holdAgain(firstCall.model, firstCall.usage);
    if (call.parent.signed?.isStored !== true) {
      throw parentNotFound(
        "The turn to continue was not stored (store: false), and UniAPI has lost it. Start a new conversation.",
      );
    }
    const turns = await requireChain(deps, call.owner, call.parent, call.parentTurn);
    const body = { ...call.body, input: replayInput(turns, call.body["input"]) };
    const opened = await openWithFallback(deps, { ...call, body });
    return { call: opened, continuity, wastedUsage: firstCall?.usage ?? null };
  } catch (error) {
    if (firstCall === null || !(error instanceof Problem)) throw error;
    // `error` tells whether the second call may have been paid. The first call may have been paid in any case.
    call.releaseIfUnpaid(error);
    const { retryAfter: _, ...details } = error.details;
    throw new Problem(
      error.code,
      `UniAPI had lost the conversation, and a second call failed: ${error.message} The first call may have been billed.`,
      {
        ...details,
        paid: "maybe",
      },
    );
  }
}

function continueById(deps: Deps, call: ContinuedCall, upstreamId: string, stream: boolean): Promise<OpenedCall> {
  return openWithRepair(deps, { ...call, body: { ...call.body, previous_response_id: upstreamId }, stream });
}

/** Returns upstream's id of the parent. The stored turn has the final one; the signed id may have one from a stream's first event. */
function upstreamIdOf({ parent, parentTurn }: ContinuedCall): string | undefined {
  if (parent.signed === undefined) return parent.id;
  const storedId = parentTurn?.response["id"];
  if (typeof storedId === "string" && storedId !== "") return storedId;
  return parent.signed.kind === "upstream" ? parent.signed.value : undefined;
}

async function requireUpstreamId(deps: Deps, call: ContinuedCall): Promise<string> {
  const isStored = deps.config.turns !== false && call.parent.signed?.isStored === true;
  const id =
    upstreamIdOf(call) ??
    (isStored ? upstreamIdOf({ ...call, parentTurn: await readYoungTurn(deps, call.owner, call.parent) }) : undefined);
  if (id === undefined)
    throw parentNotFound(
      "This turn can't be continued, because UniAPI gave it no id. Start a new conversation without previous_response_id.",
    );
  return id;
}

/**
 * Whether upstream refused a call by id unpaid, because it does not know the parent, has lost the call of an output in the input, or has
 * lost items of the chain.
 */
function isLostChain(error: unknown): error is Problem {
  if (!(error instanceof Problem)) return false;
  const { paid, noSuchModel, refusalOf } = error.details;
  return paid === "unpaid" && noSuchModel !== true && refusalOf !== undefined;
}

/** The error for a chain that upstream has lost and that can't be replayed. Upstream's own words don't say what to do. */
function cannotReplay({ details }: Problem): Problem {
  return new Problem(
    "previous_response_not_found",
    "UniAPI can't continue from this previous_response_id, and this Worker can't replay the conversation. Send the whole conversation as `input`, without previous_response_id.",
    {
      param: "previous_response_id",
      paid: "unpaid",
      ...(details.reason === undefined ? {} : { reason: details.reason }),
    },
  );
}
