// One turn from memory by the caller's id. Forged, foreign, deleted and expired ids are one and the same: there is nothing.
import { readId } from "../core/callers/ids.ts";
import { Problem } from "../core/lib/problem.ts";
import { decodeTombstone, decodeTurn, encodeTombstone, type Turn, turnKey } from "../core/turns/turn.ts";
import type { Deps } from "../deps.ts";
import { isYoung } from "./chain.ts";

/** @throws Problem response_not_found, unavailable */
export async function readStoredTurn(deps: Deps, owner: string, id: string): Promise<Turn> {
  const genuine = (await readId(deps.idKeys, owner, id)) !== null;
  const [text] = genuine ? await deps.store.readStrict([turnKey(owner, id)]) : [];
  const turn = decodeTurn(text ?? null);
  if (turn === null) throw notThere();
  return turn;
}

/**
 * Deletes a turn and the kept answer that says the same. One that may still be on its way into KV can't be deleted yet: it would be
 * written over the tombstone.
 * @throws Problem response_not_found, unavailable
 */
export async function deleteStoredTurn(deps: Deps, owner: string, id: string): Promise<void> {
  const signed = await readId(deps.idKeys, owner, id);
  const { turns } = deps.config;
  if (signed === null || !signed.kept || turns === false) throw notThere();
  const key = turnKey(owner, id);
  const [text] = await deps.store.readStrict([key]);
  const turn = decodeTurn(text ?? null);
  if (turn === null && decodeTombstone(text ?? null) === null && isYoung(deps, { signed }))
    throw notNow("is not readable yet");
  if (turn === null) throw notThere();
  if (!(await deps.store.write(key, encodeTombstone(turn.ancestors), turns.ttl))) {
    throw notNow("could not be deleted at the moment");
  }
  if (turn.answerKey !== undefined) await deps.store.remove(turn.answerKey);
}

function notNow(what: string): Problem {
  return new Problem("unavailable", `The answer ${what}. Send the same request again in a moment.`, { retryAfter: 5 });
}

function notThere(): Problem {
  const message = "There is no answer with this id: it was never given to this caller, or its time in memory is over.";
  return new Problem("response_not_found", message, { param: "id" });
}
