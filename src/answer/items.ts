// Repairs a call that upstream refuses because of items in its input. Upstream's backends don't share what they store, so another backend
// knows neither the ids of items nor reasoning items. A refused call is unpaid, so it is tried once more without these.
import type { JsonObject } from "../core/lib/json.ts";
import { Problem } from "../core/lib/problem.ts";
import { portableInput } from "../core/turns/replay-input.ts";
import type { Deps } from "../deps.ts";
import { countRepeatedCall, type OpenedCall, openWithFallback, type UpstreamCall } from "./upstream-call.ts";

/**
 * Opens a call. If upstream refuses it unpaid because of items, opens it once more with items that any backend accepts.
 * @throws Problem of the second call; of the first call if there was no second one, or if upstream refused items both times, because the
 * first problem names what the caller sent
 */
export async function openWithRepair(deps: Deps, call: UpstreamCall): Promise<OpenedCall> {
  try {
    return await openWithFallback(deps, call);
  } catch (error) {
    const input = error instanceof Problem ? repairedInput(call.body, error) : undefined;
    if (input === undefined || call.signal?.aborted === true) throw error;
    countRepeatedCall(call.logFields);
    return await openWithFallback(deps, { ...call, body: { ...call.body, input } }).catch((secondError: unknown) => {
      throw secondError instanceof Problem && secondError.details.refusalOf === "items" ? error : secondError;
    });
  }
}

/** Returns the input in the form that any backend accepts; undefined if the refusal is about something else, or if that changes nothing. */
function repairedInput(body: JsonObject, { details }: Problem): JsonObject[] | undefined {
  const { input } = body;
  if (details.paid !== "unpaid" || details.refusalOf !== "items" || !Array.isArray(input)) return undefined;
  const items = input as JsonObject[];
  const portable = portableInput(items);
  if (portable === undefined || portable.length === 0) return undefined;
  return JSON.stringify(portable) === JSON.stringify(items) ? undefined : portable;
}
