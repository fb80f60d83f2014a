// Streams the events of one turn through the typed client: those of a new call, or the rest of a run after the last event that was read.
// The `fetch` passed to the client reads the response headers, which the client does not expose.
import { type AskBody, type AskEvent, createClient } from "../../../client/client.ts";
import type { Account } from "../../lib/account.ts";
import type { Turn } from "./conversation.ts";

/** `id` names the recording and the position in it. */
export type TurnEvent = AskEvent & { id: string };

export async function* streamTurn(account: Account, turn: Turn, signal: AbortSignal): AsyncGenerator<TurnEvent> {
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
    turn.lastEventId === ""
      ? client.stream(body, { idempotencyKey: turn.key, signal })
      : client.resume({ key: turn.key, body, lastEventId: turn.lastEventId }, { signal });
  for await (const event of events) yield { ...event, id: events.resumeToken.lastEventId ?? "" };
}

/** Returns an empty body if a reload lost the question: the key and the last event's id then identify the run. */
function bodyOf({ input, previousId, fields }: Turn): AskBody {
  if (input === undefined) return {} as AskBody;
  return { input, ...(previousId === null ? {} : { previous_response_id: previousId }), ...fields };
}
