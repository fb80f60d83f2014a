// Turns a request into a script in the steps that OpenAI takes: refuse, read the chain, generate, store.
// An entry of the menu changes these steps through its hooks. An ordinary model has no hooks.
import { transcriptOf, inputItems, type Item } from "./conversation.ts";
import { draftOf, limitTokens } from "./draft.ts";
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

/** `storedId` is the id under which the response is now stored, if it is. */
export type EmulatedAnswer = { readonly script: Script; readonly storedId?: string };

export function answerCall(call: Call, memory: Memory, paceMs: number): EmulatedAnswer {
  const { fault, number } = menuEntry(call.model) ?? {};
  if (!fault || number === undefined || call.model.includes("nope")) {
    return { script: modelNotFound(call.requestId, call.model) };
  }
  const refused = fault.instead?.(call, number);
  if (refused) return { script: refused };

  const request = fault.request?.(call.body) ?? call.body;
  const conversation = readConversation(request, memory);
  if ("script" in conversation) return conversation;
  const { earlier, newItems: fresh } = conversation;
  const items = [...earlier, ...fresh];

  const unchanged = draftOf(request, items);
  const draft = limitTokens(fault.draft?.(unchanged, number) ?? unchanged, asNumber(request["max_output_tokens"]));
  const honest = responseOf(request, items, draft);
  const response = fault.response?.(honest, call) ?? honest;
  const script = toScript(response, call, paceMs);
  const changed = fault.script?.(script, call, number) ?? script;
  if (request["store"] === false || draft.status === "failed") return { script: changed };
  memory.store(draft.id, asText(request["previous_response_id"]), [...fresh, ...draft.output]);
  return { script: changed, storedId: draft.id };
}

function toScript(response: JsonObject, call: Call, paceMs: number): Script {
  const { fault } = menuEntry(call.model) ?? {};
  const wire = fault?.wire ?? (call.stream ? "sse" : "json");
  const obfuscation = asObject(call.body["stream_options"])?.["include_obfuscation"] !== false;
  if (wire === "json") {
    return jsonScript(200, response);
  }
  const events = eventsOf(response, { obfuscation });
  return sseScript(fault?.events?.(events, call) ?? events, paceMs);
}

type Conversation = { readonly earlier: Item[]; readonly newItems: Item[] };

function readConversation(request: JsonObject, memory: Memory): Conversation | EmulatedAnswer {
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
  const transcript = transcriptOf([...earlier, ...fresh]);
  const [unanswered] = transcript.callsWithoutOutput;
  if (unanswered !== undefined) return { script: noOutputFor(unanswered) };
  const [uncalled] = transcript.outputsWithoutCall;
  if (uncalled !== undefined) return { script: noCallFor(uncalled) };
  return { earlier, newItems: fresh };
}
