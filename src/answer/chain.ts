// The parent that a follow-up names, and the chain of turns from the root to that parent. Few KV reads are needed, because every turn lists
// up to a hundred of its ancestors, and these are read in one bulk read.
import { isSignedId, readId, type ResponseId } from "../core/callers/ids.ts";
import { conversationTooLong, Problem } from "../core/lib/problem.ts";
import { decodeTombstone, decodeTurn, type Tombstone, type Turn, turnKey } from "../core/turns/turn.ts";
import type { Caller, Deps } from "../deps.ts";

/** Pauses before each further read of a turn that KV does not show yet, in milliseconds. */
const RETRY_DELAYS_MS = [500, 1_000, 2_000];
/** A younger turn may not be visible yet. If a key was read before it was written, KV may take a minute to show its value. */
const YOUNG_MINUTES = 2;
/** The longest chain, in characters. It is limited because it shares an isolate's memory with other requests. */
const MAX_CHAIN_CHARS = 24_000_000;

export interface Parent {
  /** As the caller sent it. */
  id: string;
  /** The content of a signed id; undefined for a raw upstream id. */
  signed: ResponseId | undefined;
  /** The turn's number in its conversation, from 1; 0 for a raw upstream id. */
  turn: number;
}

/**
 * Verifies the `previous_response_id` of a request. Does not read KV.
 * @throws Problem 400 previous_response_not_found for a forged id, a truncated one and another owner's alike; 400 conversation_too_long
 */
export async function findParent(
  deps: Deps,
  caller: Caller,
  id: string,
  maxTurns: number | undefined,
): Promise<Parent> {
  if (!isSignedId(id)) {
    // Only a server caller may continue an upstream id, since it may have stored many of them. Restricted callers share the upstream
    // account with strangers.
    if (caller.grant !== undefined || !/^[\x21-\x7e]{1,256}$/.test(id)) throw parentNotFound();
    return { id, signed: undefined, turn: 0 };
  }
  const signed = await readId(deps.idKeys, caller.owner, id);
  if (signed === null) throw parentNotFound();
  if (maxTurns !== undefined && signed.turn >= maxTurns) {
    throw new Problem(
      "conversation_too_long",
      `This conversation has reached its limit of ${maxTurns} turns. Start a new one without previous_response_id.`,
      {
        param: "previous_response_id",
      },
    );
  }
  return { id, signed, turn: signed.turn };
}

export function parentNotFound(
  message = "There is no response with this previous_response_id. Check the id, or leave it out to start a new conversation.",
): Problem {
  return new Problem("previous_response_not_found", message, { param: "previous_response_id" });
}

/**
 * Reads the chain for display, from the root to `last`. Omits deleted and expired turns, but includes the turns before such a gap if
 * they can still be found.
 * @throws Problem unavailable, conversation_too_long
 */
export async function readChain(deps: Deps, owner: string, last: Turn): Promise<Turn[]> {
  const chain: Turn[] = [last];
  const budget = { chars: MAX_CHAIN_CHARS };
  let from = last;
  while (from.ancestors.length > 0) {
    const texts = await readWithin(
      deps,
      from.ancestors.map((id) => turnKey(owner, id)),
      budget,
    );
    const block = texts.map((text, at) => decodeTurn(text, at > 0)).filter((turn) => turn !== null);
    const [oldest] = block;
    chain.unshift(...block);
    // Only the oldest of these ancestors can have ancestors that were not read yet. If it is missing, the turns before it can't be found.
    if (oldest === undefined || oldest.id !== from.ancestors[0]) break;
    from = oldest;
  }
  return chain;
}

/**
 * Reads the chain for replay: every turn from the root to the parent, except deleted ones. If KV does not show a turn and the parent is
 * young, the turn is read again after a pause.
 * @throws Problem 503 unavailable (try again); 400 previous_response_not_found if a turn has expired, or if the conversation began with a
 * raw upstream id; 400 conversation_too_long
 */
export async function requireChain(
  deps: Deps,
  owner: string,
  parent: Parent,
  parentTurn: Turn | null,
): Promise<Turn[]> {
  const last = parentTurn ?? (await readYoungTurn(deps, owner, parent));
  const chain: Turn[] = [last];
  const seen = new Set<string>();
  const budget = { chars: MAX_CHAIN_CHARS };
  let from: Turn | Tombstone = last;
  for (let ids = last.ancestors; ids.length > 0;) {
    const block: (Turn | Tombstone)[] = await requireTurns(deps, owner, parent, ids, budget);
    for (const id of ids) seen.add(id);
    chain.unshift(...block.filter((turn): turn is Turn => !("deleted" in turn)));
    from = block[0] ?? from;
    ids = from.ancestors.filter((id) => !seen.has(id));
  }
  // A conversation that began with a raw upstream id has turns that were never stored here.
  if (!("deleted" in from) && from.parent !== null && from.ancestors.length === 0)
    throw parentNotFound(
      "This conversation began with a response that this Worker has not stored, and UniAPI has lost it. Start a new conversation.",
    );
  return chain;
}

/** Reads the parent's turn, and reads it again while it is young and KV does not show it. @throws Problem the same as `requireChain` */
export async function readYoungTurn(deps: Deps, owner: string, parent: Parent): Promise<Turn> {
  const [turn] = await requireTurns(deps, owner, parent, [parent.id], { chars: MAX_CHAIN_CHARS });
  if (turn === undefined || "deleted" in turn) throw parentNotFound();
  return turn;
}

async function requireTurns(
  deps: Deps,
  owner: string,
  parent: Parent,
  ids: readonly string[],
  budget: CharBudget,
): Promise<(Turn | Tombstone)[]> {
  const keys = ids.map((id) => turnKey(owner, id));
  const turns = (await readWithin(deps, keys, budget)).map((text, at) => decodeTurnOrTombstone(text, at > 0));
  for (const pause of RETRY_DELAYS_MS) {
    const missing = [...keys.keys()].filter((at) => turns[at] === null);
    if (missing.length === 0) break;
    if (!isYoung(deps, parent)) throw parentExpired();
    await deps.sleep(pause);
    const texts = await readWithin(
      deps,
      missing.map((at) => keys[at] ?? ""),
      budget,
    );
    missing.forEach((at, n) => (turns[at] = decodeTurnOrTombstone(texts[n] ?? null, at > 0)));
  }
  const visible = turns.filter((turn) => turn !== null);
  if (visible.length === keys.length) return visible;
  throw new Problem(
    "unavailable",
    "The turn to continue is not readable yet. Send the same request again in a moment.",
    {
      param: "previous_response_id",
      retryAfter: 5,
    },
  );
}

/** How many more characters of a chain may be read. */
interface CharBudget {
  chars: number;
}

/**
 * Reads values from KV within a budget, so that one conversation can't fill an isolate's memory.
 * @throws Problem conversation_too_long if the budget is exceeded; unavailable if KV can't be read
 */
async function readWithin(deps: Deps, keys: readonly string[], budget: CharBudget): Promise<(string | null)[]> {
  const texts = await deps.store.readStrict(keys);
  for (const text of texts) budget.chars -= text?.length ?? 0;
  if (budget.chars < 0) throw conversationTooLong();
  return texts;
}

/** @param skipAncestors true for all turns of a bulk read but the first, since only the first one's ancestors may still have to be read */
function decodeTurnOrTombstone(text: string | null, skipAncestors: boolean): Turn | Tombstone | null {
  return decodeTurn(text, skipAncestors) ?? decodeTombstone(text);
}

function parentExpired(): Problem {
  return parentNotFound("The turn to continue has expired. Start a new conversation without previous_response_id.");
}

/** Whether the turn of this id is so young that KV may not show it yet. */
export function isYoung(deps: Deps, { signed }: Pick<Parent, "signed">): boolean {
  return signed !== undefined && deps.now() / 60_000 - signed.minute < YOUNG_MINUTES;
}
