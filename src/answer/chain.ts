// The turns of a conversation, from its root to one of them, in as few reads as KV allows: every turn names up to a hundred
// ancestors, and those are read at once.
import { Problem, conversationTooLong } from "../core/lib/problem.ts";
import { decodeTombstone, decodeTurn, type Tombstone, type Turn, turnKey } from "../core/turns/turn.ts";
import type { Deps } from "../deps.ts";
import { parentNotFound, type Parent } from "./parent.ts";

/** Pauses before each further look for a turn that KV does not show yet, in milliseconds. */
const LOOK_AGAIN_MS = [500, 1_000, 2_000];
/** Younger than this, a turn may be on its way: KV may take a minute to show it where it had been looked for before. */
const YOUNG_MINUTES = 2;

/** Of one whole conversation, in memory beside other requests. */
const MAX_CHAIN_CHARS = 24_000_000;

/** For reading: root first, `last` last. What is gone is left out, and what was before it as far as it can still be found. */
export async function readChain(deps: Deps, owner: string, last: Turn): Promise<Turn[]> {
  const chain: Turn[] = [last];
  const room = { chars: MAX_CHAIN_CHARS };
  let from = last;
  while (from.ancestors.length > 0) {
    const texts = await readStrictWithin(
      deps,
      from.ancestors.map((id) => turnKey(owner, id)),
      room,
    );
    const block = texts.map((text, at) => decodeTurn(text, at > 0)).filter((turn) => turn !== null);
    const [oldest] = block;
    chain.unshift(...block);
    // Only a full list may have more before it; its first turn knows.
    if (oldest === undefined || oldest.id !== from.ancestors[0]) break;
    from = oldest;
  }
  return chain;
}

/**
 * For replay: every turn from the root to the parent, or a Problem; deleted ones are left out. A turn that KV does not show yet is
 * looked for again while it may be on its way.
 * @throws Problem unavailable (come again), previous_response_not_found (expired, or begun elsewhere)
 */
export async function requireChain(deps: Deps, owner: string, parent: Parent, known: Turn | null): Promise<Turn[]> {
  const last = known ?? (await readYoungTurn(deps, owner, parent));
  const chain: Turn[] = [last];
  const seen = new Set<string>();
  const room = { chars: MAX_CHAIN_CHARS };
  let from: Turn | Tombstone = last;
  for (let ids = last.ancestors; ids.length > 0;) {
    const block: (Turn | Tombstone)[] = await readAll(deps, owner, parent, ids, room);
    for (const id of ids) seen.add(id);
    chain.unshift(...block.filter((turn): turn is Turn => !("deleted" in turn)));
    from = block[0] ?? from;
    ids = from.ancestors.filter((id) => !seen.has(id));
  }
  // A conversation that began with an id of upstream's own has a past that we never saw.
  if (!("deleted" in from) && from.parent !== null && from.ancestors.length === 0)
    throw parentNotFound(
      "The turn to continue goes back to a response that this Worker never saw or did not keep, and upstream has lost it. Start a new conversation.",
    );
  return chain;
}

/** The parent's turn. @throws Problem */
export async function readYoungTurn(deps: Deps, owner: string, parent: Parent): Promise<Turn> {
  const [turn] = await readAll(deps, owner, parent, [parent.id], { chars: MAX_CHAIN_CHARS });
  if (turn === undefined || "deleted" in turn) throw parentNotFound();
  return turn;
}

async function readAll(
  deps: Deps,
  owner: string,
  parent: Parent,
  ids: readonly string[],
  room: CharBudget,
): Promise<(Turn | Tombstone)[]> {
  const keys = ids.map((id) => turnKey(owner, id));
  const found = (await readStrictWithin(deps, keys, room)).map((text, at) => decodeEither(text, at > 0));
  for (const pause of LOOK_AGAIN_MS) {
    const missing = [...keys.keys()].filter((at) => found[at] === null);
    if (missing.length === 0) break;
    if (!isYoung(deps, parent)) throw expired();
    await deps.sleep(pause);
    const again = await readStrictWithin(
      deps,
      missing.map((at) => keys[at] ?? ""),
      room,
    );
    missing.forEach((at, n) => (found[at] = decodeEither(again[n] ?? null, at > 0)));
  }
  const there = found.filter((turn) => turn !== null);
  if (there.length === keys.length) return there;
  throw new Problem(
    "unavailable",
    "The turn to continue is not readable yet. Send the same request again in a moment.",
    {
      param: "previous_response_id",
      retryAfter: 5,
    },
  );
}

/** Characters that a conversation may still have. */
interface CharBudget {
  chars: number;
}

/** @throws Problem conversation_too_long, before an isolate is full of one conversation */
async function readStrictWithin(deps: Deps, keys: readonly string[], room: CharBudget): Promise<(string | null)[]> {
  const texts = await deps.store.readStrict(keys);
  for (const text of texts) room.chars -= text?.length ?? 0;
  if (room.chars < 0) throw conversationTooLong();
  return texts;
}

/** Of a block of turns the first alone tells what was before them. */
function decodeEither(text: string | null, skim: boolean): Turn | Tombstone | null {
  return decodeTurn(text, skim) ?? decodeTombstone(text);
}

function expired(): Problem {
  return parentNotFound("The turn to continue has expired. Start a new conversation without previous_response_id.");
}

/** Whether a turn with this id may still be on its way into KV. */
export function isYoung(deps: Deps, { signed }: Pick<Parent, "signed">): boolean {
  return signed !== undefined && deps.now() / 60_000 - signed.minute < YOUNG_MINUTES;
}
