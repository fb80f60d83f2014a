// The events of a complete response in OpenAI's order, without sequence numbers. Entries of the menu may still add,
// drop and change events; the script numbers them at the end.
import { asObject, asObjects, asText, type JsonObject, without } from "./json.ts";
import { inProgress } from "./response.ts";

const PADDING = "mZhSFjZXJr0XarziGMMxMM5qoobhmaTA5ZilaAQc";
const PADDED_LENGTH = 16;

export type EventOptions = { readonly obfuscation: boolean };

type Where = { item_id: string; output_index: number };

export function eventsOf(complete: JsonObject, options: EventOptions): JsonObject[] {
  // OpenAI leaves `billing` out of events.
  const response = without(complete, "billing");
  return [
    { type: "response.created", response: inProgress(response) },
    { type: "response.in_progress", response: inProgress(response) },
    ...asObjects(response["output"]).flatMap((item, index) => itemEvents(item, index, options)),
    { type: `response.${asText(response["status"]) ?? "completed"}`, response },
  ];
}

function itemEvents(item: JsonObject, output_index: number, options: EventOptions): JsonObject[] {
  const where = { item_id: asText(item["id"]) ?? "", output_index };
  return [
    { type: "response.output_item.added", item: begun(item), output_index },
    ...insideEvents(item, where, options),
    { type: "response.output_item.done", item, output_index },
  ];
}

function begun(item: JsonObject): JsonObject {
  switch (item["type"]) {
    case "message":
      return { ...item, status: "in_progress", content: [] };
    case "reasoning":
      return { ...item, summary: [] };
    case "function_call":
      return { ...item, status: "in_progress", arguments: "" };
    case "web_search_call":
      return { id: item["id"] ?? "", type: "web_search_call", status: "in_progress" };
    default:
      return item;
  }
}

function insideEvents(item: JsonObject, where: Where, options: EventOptions): JsonObject[] {
  switch (item["type"]) {
    case "message":
      return asObjects(item["content"]).flatMap((part, content_index) =>
        partEvents(part, { content_index, ...where }, options),
      );
    case "reasoning":
      return asObjects(item["summary"]).flatMap((part, index) =>
        summaryEvents(asText(part["text"]) ?? "", index, where, options),
      );
    case "function_call": {
      const complete = asText(item["arguments"]) ?? "";
      const pieces = complete.match(/[^]{1,4}/gu) ?? [];
      return [
        ...deltas("response.function_call_arguments", pieces, where, options),
        { type: "response.function_call_arguments.done", arguments: complete, ...where },
      ];
    }
    case "web_search_call":
      return ["in_progress", "searching", "completed"].map((step) => ({
        type: `response.web_search_call.${step}`,
        ...where,
      }));
    default:
      return [];
  }
}

function partEvents(part: JsonObject, where: Where & { content_index: number }, options: EventOptions): JsonObject[] {
  const refusal = asText(part["refusal"]);
  const text = asText(part["text"]) ?? "";
  const opened = refusal === undefined ? { ...part, annotations: [], text: "" } : { ...part, refusal: "" };
  const known = refusal !== undefined || part["type"] === "output_text";
  return [
    { type: "response.content_part.added", ...where, part: known ? opened : part },
    ...(refusal === undefined ? [] : deltas("response.refusal", words(refusal), where, options)),
    ...(refusal === undefined ? [] : [{ type: "response.refusal.done", ...where, refusal }]),
    ...(part["type"] === "output_text" ? textEvents(part, text, where, options) : []),
    { type: "response.content_part.done", ...where, part },
  ];
}

function textEvents(
  part: JsonObject,
  text: string,
  where: Where & { content_index: number },
  options: EventOptions,
): JsonObject[] {
  return [
    ...deltas("response.output_text", words(text), where, options).map((delta) => ({
      ...delta,
      logprobs: [],
    })),
    ...asObjects(part["annotations"]).map((annotation, annotation_index) => ({
      type: "response.output_text.annotation.added",
      annotation,
      annotation_index,
      ...where,
    })),
    { type: "response.output_text.done", ...where, logprobs: [], text },
  ];
}

function summaryEvents(text: string, summary_index: number, place: Where, options: EventOptions): JsonObject[] {
  const where = { ...place, summary_index };
  const begin = { type: "summary_text", text: "" };
  return [
    { type: "response.reasoning_summary_part.added", ...where, part: begin },
    ...deltas("response.reasoning_summary_text", words(text), where, options),
    { type: "response.reasoning_summary_text.done", ...where, text },
    { type: "response.reasoning_summary_part.done", ...where, part: { ...begin, text } },
  ];
}

/** One piece per word, each with the space before it. Joined, they are the text. */
const words = (text: string): string[] => text.match(/\s*\S+|\s+$/g) ?? [];

// OpenAI pads deltas so that an eavesdropper cannot guess words from their lengths.
function deltas(name: string, pieces: string[], where: JsonObject, options: EventOptions): JsonObject[] {
  return pieces.map((delta) => ({
    type: `${name}.delta`,
    delta,
    ...(options.obfuscation ? { obfuscation: PADDING.slice(0, PADDED_LENGTH - (delta.length % PADDED_LENGTH)) } : {}),
    ...where,
  }));
}

/** The response object in an event, if it has one. */
export const responseIn = (event: JsonObject): JsonObject | undefined => asObject(event["response"]);

export const isDelta = (event: JsonObject): boolean => (asText(event["type"]) ?? "").endsWith(".delta");

export const isTerminal = (event: JsonObject): boolean =>
  /^(response\.(completed|incomplete|failed)|error)$/.test(asText(event["type"]) ?? "");
