// Whose turn does a request continue: the caller's `previous_response_id`, verified. How it is continued is continuity.ts's.
import { isOurs, readId, type ResponseId } from "../core/callers/ids.ts";
import { Problem } from "../core/lib/problem.ts";
import type { Caller, Deps } from "../deps.ts";

export interface Parent {
  /** As the caller wrote it. */
  id: string;
  /** What a signed id says; undefined for a raw upstream id. */
  signed: ResponseId | undefined;
  /** 0 where the id does not tell. */
  turn: number;
}

/** @throws Problem previous_response_not_found, the same for forged, foreign and cut ids; conversation_too_long */
export async function findParent(
  deps: Deps,
  caller: Caller,
  id: string,
  maxTurns: number | undefined,
): Promise<Parent> {
  if (!isOurs(id)) {
    // Callers with full trust may come with a database full of upstream's own ids; all others share one account with strangers.
    if (caller.grant !== undefined || !/^[\x21-\x7e]{1,256}$/.test(id)) throw parentNotFound();
    return { id, signed: undefined, turn: 0 };
  }
  const signed = await readId(deps.idKeys, caller.owner, id);
  if (signed === null) throw parentNotFound();
  if (maxTurns !== undefined && signed.turn >= maxTurns) {
    throw new Problem(
      "conversation_too_long",
      `This conversation has reached its ${maxTurns} turns. Start a new one without previous_response_id.`,
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
