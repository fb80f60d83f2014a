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
  noRequestFor,
} from "./errors.ts";
import { eventsOf } from "./events.ts";
import type { BoundHooks, Call } from "./fault.ts";
import { asNumber, asObject, asText, type JsonObject } from "./json.ts";
import type { Memory } from "./memory.ts";
import { faultOf } from "./menu.ts";
import { responseOf } from "./response.ts";
import { jsonScript, type Script, sseScript } from "./script.ts";

const OUTPUT_TOKENS_MIN = 16;

/** `storedId` is the id under which the response is now stored, if it is. */
export type EmulatedAnswer = { readonly script: Script; readonly storedId?: string };

export function answerCall(call: Call, memory: Memory, paceMs: number): EmulatedAnswer {
  const fault = faultOf(call.model);
  if (!fault || call.model.includes("nope")) return { script: modelNotFound(call.requestId, call.model) };
  const refused = fault.instead(call);
  if (refused) return { script: refused };

  const request = fault.request(call.body);
  const conversation = readConversation(request, memory);
  if ("script" in conversation) return conversation;
  const { earlier, newItems: fresh } = conversation;
  const items = [...earlier, ...fresh];

  const draft = limitTokens(fault.draft(draftOf(request, items), items), asNumber(request["max_output_tokens"]));
  const response = fault.response(responseOf(request, items, draft), call);
  const script = fault.script(toScript(response, fault, call, paceMs), call);
  if (request["store"] === false || draft.status === "failed") return { script };
  memory.store(draft.id, asText(request["previous_response_id"]), [...fresh, ...draft.output]);
  return { script, storedId: draft.id };
}

function toScript(response: JsonObject, fault: BoundHooks, call: Call, paceMs: number): Script {
  if ((fault.wire ?? (call.stream ? "sse" : "json")) === "json") return jsonScript(200, fault.json(response, call));
  const obfuscation = asObject(call.body["stream_options"])?.["include_obfuscation"] !== false;
  return sseScript(fault.events(eventsOf(response, { obfuscation }), call), paceMs);
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
  const [unasked] = transcript.approvalsWithoutRequest;
  if (unasked !== undefined) return { script: noRequestFor(unasked) };
  const [uncalled] = transcript.outputsWithoutCall;
  if (uncalled !== undefined) return { script: noCallFor(uncalled) };
  return { earlier, newItems: fresh };
}
