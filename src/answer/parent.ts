// Whose turn does a request continue: the caller's `previous_response_id`, verified, and what upstream calls that turn. A place of
// its own, since continuity by replay (`auto`, `gateway`) will be decided here.
import { isOurs, readId, type ResponseId } from "../core/ids.ts";
import { Problem } from "../core/problem.ts";
import { decodeTurn, type Turn, turnKey } from "../core/turn.ts";
import type { Deps } from "../deps.ts";

export interface Parent {
  /** As the caller wrote it. */
  id: string;
  /** What a signed id says; undefined for a raw upstream id. */
  signed: ResponseId | undefined;
  /** 0 where the id does not tell. */
  turn: number;
}

/** Pauses before each further look for a turn that KV does not show yet, in milliseconds. */
const LOOK_AGAIN_MS = [500, 1_000, 2_000];
/** Younger than this, a turn may be on its way. KV caches a miss for up to a minute. */
const YOUNG_MINUTES = 2;

/** @throws Problem previous_response_not_found, the same for forged, foreign and cut ids; conversation_too_long */
export async function findParent(deps: Deps, owner: string, id: string | undefined, maxTurns: number | undefined): Promise<Parent | null> {
  if (id === undefined) return null;
  if (!isOurs(id)) {
    // Callers with full trust may come with a database full of upstream's own ids.
    if (!/^[\x21-\x7e]{1,256}$/.test(id)) throw notFound();
    return { id, signed: undefined, turn: 0 };
  }
  const signed = await readId(deps.idKeys, owner, id);
  if (signed === null) throw notFound();
  if (maxTurns !== undefined && signed.turn >= maxTurns) {
    throw new Problem(
      "conversation_too_long",
      `This conversation has reached its ${maxTurns} turns. Start a new one without previous_response_id.`,
      { param: "previous_response_id" },
    );
  }
  return { id, signed, turn: signed.turn };
}

/**
 * What upstream calls the parent. An id of our own keeps that in its turn, which is looked for again while it is young.
 * @throws Problem previous_response_not_found, unavailable
 */
export async function upstreamIdOf(deps: Deps, owner: string, parent: Parent, known: Turn | null): Promise<string> {
  const { signed } = parent;
  if (signed === undefined) return parent.id;
  if (signed.kind === "upstream") return signed.value;
  const young = (): boolean => deps.now() / 60_000 - signed.minute < YOUNG_MINUTES;
  let turn = known;
  for (const pause of LOOK_AGAIN_MS) {
    if (turn !== null || !young()) break;
    await deps.sleep(pause);
    const [text] = await deps.store.read([turnKey(owner, parent.id)]);
    turn = decodeTurn(text ?? null);
  }
  const id = turn?.response["id"];
  if (typeof id === "string" && id !== "") return id;
  if (turn === null && young()) {
    throw new Problem("unavailable", "The turn to continue is not readable yet. Send the same request again in a moment.", {
      param: "previous_response_id",
      retryAfter: 5,
    });
  }
  if (turn === null) {
    throw new Problem(
      "previous_response_not_found",
      "The turn to continue has expired. Start a new conversation without previous_response_id.",
      { param: "previous_response_id" },
    );
  }
  throw new Problem(
    "previous_response_not_found",
    "Upstream gave the turn to continue no id, so it can't be continued. Start a new conversation without previous_response_id.",
    { param: "previous_response_id" },
  );
}

function notFound(): Problem {
  return new Problem(
    "previous_response_not_found",
    "There is no response with this previous_response_id. Check the id, or leave it out to start a new conversation.",
    { param: "previous_response_id" },
  );
}
