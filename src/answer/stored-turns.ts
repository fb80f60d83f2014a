// Reads and deletes one stored turn by the signed id that the caller sends. A forged id, another owner's, and that of a deleted or expired
// turn get the same error: not found.
import type { Answer } from "../contract/answer.ts";
import { readId } from "../core/callers/ids.ts";
import { Problem } from "../core/lib/problem.ts";
import { trim } from "../core/reply/trim.ts";
import { decodeTombstone, decodeTurn, encodeTombstone, type Turn, turnKey } from "../core/turns/turn.ts";
import type { Price } from "../core/config/config-schema.ts";
import { costUsd, usageOfResponse } from "../core/upstream/usage.ts";
import type { Deps } from "../deps.ts";
import { isYoung } from "./chain.ts";
import { removeItems } from "./item-index.ts";

/** Reads a turn. @throws Problem 404 response_not_found, 503 unavailable */
export async function readStoredTurn(deps: Deps, owner: string, id: string): Promise<Turn> {
  const isGenuine = (await readId(deps.idKeys, owner, id)) !== null;
  const [text] = isGenuine ? await deps.store.readStrict([turnKey(owner, id)]) : [];
  const turn = decodeTurn(text ?? null);
  if (turn === null) throw responseNotFound();
  return turn;
}

/** Trims a stored turn to the answer that its caller got, except that the cost follows today's prices. */
export function answerFromTurn(turn: Turn, prices: Readonly<Record<string, Price>>): Answer {
  return trim(turn.response, {
    id: turn.id,
    previousId: turn.parent,
    now: turn.at,
    model: turn.model,
    wantsData: turn.wantsData,
    metadata: turn.metadata,
    cost: costUsd(prices, [String(turn.response["model"]), turn.model], usageOfResponse(turn.response)),
  });
}

/**
 * Replaces a turn with a tombstone and deletes its cached answer. A young turn that KV does not show yet can't be deleted, because its
 * pending write would replace the tombstone.
 * @throws Problem 404 response_not_found, 503 unavailable
 */
export async function deleteStoredTurn(deps: Deps, owner: string, id: string): Promise<void> {
  const signed = await readId(deps.idKeys, owner, id);
  const { turns } = deps.config;
  if (signed === null || !signed.isStored || turns === false) throw responseNotFound();
  const key = turnKey(owner, id);
  const [text] = await deps.store.readStrict([key]);
  const turn = decodeTurn(text ?? null);
  if (turn === null && decodeTombstone(text ?? null) === null && isYoung(deps, { signed }))
    throw tryAgain("is not readable yet");
  if (turn === null) throw responseNotFound();
  // The items are removed first, so that a failed deletion can be repeated: a tombstone does not name them.
  await removeItems(deps, owner, turn);
  if (!(await deps.store.write(key, encodeTombstone(turn.ancestors), turns.ttl))) {
    throw tryAgain("could not be deleted at the moment");
  }
  if (turn.answerKey !== undefined) await deps.store.remove(turn.answerKey);
}

function tryAgain(what: string): Problem {
  return new Problem("unavailable", `The answer ${what}. Send the same request again in a moment.`, { retryAfter: 5 });
}

function responseNotFound(): Problem {
  const message =
    "There is no answer with this id for this caller. Check the id; the answer may have expired or been deleted.";
  return new Problem("response_not_found", message, { param: "id" });
}
