// Repairs a call that upstream refuses because of items in its input. Upstream's backends don't share what they store, so another backend
// knows neither the ids of items nor reasoning items. A refused call is unpaid, so it is tried once more without these.
import type { JsonObject } from "../core/lib/json.ts";
import { Problem } from "../core/lib/problem.ts";
import { portableInput } from "../core/turns/replay-input.ts";
import type { Deps } from "../deps.ts";
import { type OpenedCall, openWithFallback, type UpstreamCall } from "./upstream-call.ts";

/**
 * Opens a call. If upstream refuses it unpaid because of items, opens it once more with items that any backend accepts.
 * @throws Problem of the second call; of the first call if there was no second one, or if upstream refused items both times, because the
 * first problem names what the caller sent
 */
export async function openWithRepair(deps: Deps, call: UpstreamCall): Promise<OpenedCall> {
  const refusals: Problem[] = [];
  const repair = (refusal: Problem): JsonObject | undefined => {
    const input = refusals.length === 0 ? repairedInput(call.body, refusal) : undefined;
    if (input === undefined) return undefined;
    refusals.push(refusal);
    return { ...call.body, input };
  };
  try {
    return await openWithFallback(deps, call, repair);
  } catch (error) {
    throw error instanceof Problem && error.details.refusalOf === "items" ? (refusals[0] ?? error) : error;
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
