// One turn from memory by the caller's id. Forged, foreign, deleted and expired ids are one and the same: there is nothing.
import { readId } from "../core/ids.ts";
import { Problem } from "../core/problem.ts";
import { decodeTurn, type Turn, turnKey } from "../core/turn.ts";
import type { Deps } from "../deps.ts";

/** @throws Problem response_not_found, unavailable */
export async function readMemory(deps: Deps, owner: string, id: string): Promise<Turn> {
  const genuine = (await readId(deps.idKeys, owner, id)) !== null;
  const [text] = genuine ? await deps.store.recall([turnKey(owner, id)]) : [];
  const turn = decodeTurn(text ?? null);
  if (turn !== null) return turn;
  throw new Problem(
    "response_not_found",
    "There is no answer with this id: it was never given to this caller, or its time in memory is over.",
    {
      param: "id",
    },
  );
}
