// From a request to a script, by the steps that OpenAI takes: refuse, recall the chain, generate, remember.
// Faults of the menu come in at their hooks; an ordinary model has none.
import { factsOf, inputItems, type Item } from "./conversation.ts";
import { draftOf, withinLimit } from "./draft.ts";
import {
  belowMinimum,
  chainNotFound,
  inputRequired,
  itemNotFound,
  modelNotFound,
  noCallFor,
  noOutputFor,
} from "./errors.ts";
import { eventsOf } from "./events.ts";
import type { Call } from "./fault.ts";
import { asNumber, asObject, asText, type JsonObject } from "./json.ts";
import type { Memory } from "./memory.ts";
import { menuEntry } from "./menu.ts";
import { responseOf } from "./response.ts";
import { jsonScript, type Script, sseScript } from "./script.ts";

const OUTPUT_TOKENS_MIN = 16;

/** `kept` is the id under which the response is now stored, if it is. */
export type Answer = { readonly script: Script; readonly kept?: string };

export function answer(call: Call, memory: Memory, paceMs: number): Answer {
  const { fault, number } = menuEntry(call.model) ?? {};
  if (!fault || number === undefined || call.model.includes("nope")) {
    return { script: modelNotFound(call.requestId, call.model) };
  }
  const refused = fault.instead?.(call, number);
  if (refused) return { script: refused };

  const request = fault.request?.(call.body) ?? call.body;
  const recalled = recall(request, memory);
  if ("script" in recalled) return recalled;
  const { earlier, fresh } = recalled;
  const items = [...earlier, ...fresh];

  const plain = draftOf(request, items);
  const draft = withinLimit(fault.draft?.(plain, number) ?? plain, asNumber(request["max_output_tokens"]));
  const honest = responseOf(request, items, draft);
  const response = fault.response?.(honest, call) ?? honest;
  const script = written(response, call, paceMs);
  const changed = fault.script?.(script, call, number) ?? script;
  if (request["store"] === false || draft.status === "failed") return { script: changed };
  memory.keep(draft.id, asText(request["previous_response_id"]), [...fresh, ...draft.output]);
  return { script: changed, kept: draft.id };
}

function written(response: JsonObject, call: Call, paceMs: number): Script {
  const { fault } = menuEntry(call.model) ?? {};
  const wire = fault?.wire ?? (call.stream ? "sse" : "json");
  const obfuscation = asObject(call.body["stream_options"])?.["include_obfuscation"] !== false;
  if (wire === "json") {
    return jsonScript(200, response);
  }
  const events = eventsOf(response, { obfuscation });
  return sseScript(fault?.events?.(events, call) ?? events, paceMs);
}

type Recalled = { readonly earlier: Item[]; readonly fresh: Item[] };

function recall(request: JsonObject, memory: Memory): Recalled | Answer {
  const limit = asNumber(request["max_output_tokens"]);
  if (limit !== undefined && limit < OUTPUT_TOKENS_MIN) return { script: belowMinimum(limit) };
  const previous = asText(request["previous_response_id"]);
  if ((request["input"] ?? request["prompt"] ?? previous) === undefined) {
    return { script: inputRequired() };
  }
  if (previous !== undefined && !memory.has(previous)) return { script: chainNotFound(previous) };
  const earlier = previous === undefined ? [] : memory.chain(previous);

  const fresh: Item[] = [];
  for (const item of inputItems(request["input"])) {
    const id = asText(item["id"]) ?? "";
    const meant = item["type"] === "item_reference" ? memory.item(id) : item;
    if (!meant) return { script: itemNotFound(id) };
    fresh.push(meant);
  }
  const logFields = factsOf([...earlier, ...fresh]);
  const [unanswered] = logFields.callsWithoutOutput;
  if (unanswered !== undefined) return { script: noOutputFor(unanswered) };
  const [uncalled] = logFields.outputsWithoutCall;
  if (uncalled !== undefined) return { script: noCallFor(uncalled) };
  return { earlier, fresh };
}
