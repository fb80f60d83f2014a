// The events of one turn, by the typed client: asked, or gone on with after the last event that was seen. What the client does not
// hand on, the headers of the answer, is read on the way.
import { type AskBody, type AskEvent, createClient } from "../../../client/client.ts";
import type { Account } from "../../lib/account.ts";
import type { Turn } from "./conversation.ts";

/** `id` names the recording and the place in it. */
export type TurnEvent = AskEvent & { id: string };

export async function* stream(account: Account, turn: Turn, signal: AbortSignal): AsyncGenerator<TurnEvent> {
  const client = createClient({
    url: location.origin,
    token: account.credential,
    fetch: async (url, init) => {
      const response = await fetch(url, init);
      turn.cacheStatus = response.headers.get("cache-status");
      turn.continuity = response.headers.get("x-continuity");
      return response;
    },
  });
  const body = bodyOf(turn);
  const events =
    turn.event === ""
      ? client.stream(body, { idempotencyKey: turn.key, signal })
      : client.resume({ key: turn.key, body, lastEventId: turn.event }, { signal });
  for await (const event of events) yield { ...event, id: events.resumeToken.lastEventId ?? "" };
}

/** After a reload nobody knows what was asked; the key and the last event say which answer is meant. */
function bodyOf({ input, previous, fields }: Turn): AskBody {
  if (input === undefined) return {} as AskBody;
  return { input, ...(previous === null ? {} : { previous_response_id: previous }), ...fields };
}
