// Converts a complete response to the events of an equivalent stream. This is for a cached answer, and for an upstream that returned JSON
// although a stream was requested. The SDKs' stream readers accept the events: each item is added, filled and done, one after the other,
// and the events are numbered consecutively.
import { type JsonObject, recordsOf, textOf } from "../lib/json.ts";
import { itemsOf } from "../upstream/output.ts";

/**
 * Returns the events of a response.
 * @param response the result of completeResponse
 * @returns the data of each event, with `type` and `sequence_number`
 */
export function eventsOfResponse(response: JsonObject): JsonObject[] {
  const events: JsonObject[] = [];
  const emit = (type: string, data: JsonObject): void => {
    events.push({ type, sequence_number: events.length, ...data });
  };
  const started = {
    ...response,
    status: "in_progress",
    output: [],
    output_text: "",
    usage: null,
    completed_at: null,
    incomplete_details: null,
    error: null,
  };
  emit("response.created", { response: started });
  emit("response.in_progress", { response: started });
  itemsOf(response).forEach((item, output_index) => {
    const at = { item_id: textOf(item["id"]), output_index };
    emit("response.output_item.added", { output_index, item: startedItem(item) });
    recordsOf(item["summary"]).forEach((part, summary_index) => {
      const text = textOf(part["text"]);
      emit("response.reasoning_summary_part.added", { ...at, summary_index, part: { ...part, text: "" } });
      emit("response.reasoning_summary_text.delta", { ...at, summary_index, delta: text });
      emit("response.reasoning_summary_text.done", { ...at, summary_index, text });
      emit("response.reasoning_summary_part.done", { ...at, summary_index, part });
    });
    if (item["type"] === "message") {
      recordsOf(item["content"]).forEach((part, content_index) => emitPart(emit, { ...at, content_index }, part));
    }
    if (item["type"] === "function_call") {
      const text = textOf(item["arguments"]);
      emit("response.function_call_arguments.delta", { ...at, delta: text });
      emit("response.function_call_arguments.done", { ...at, name: textOf(item["name"]), arguments: text });
    }
    emit("response.output_item.done", { output_index, item });
  });
  const status = textOf(response["status"]);
  emit(status === "incomplete" || status === "failed" ? `response.${status}` : "response.completed", { response });
  return events;
}

function emitPart(emit: (type: string, data: JsonObject) => void, at: JsonObject, part: JsonObject): void {
  if (part["type"] === "refusal") {
    const refusal = textOf(part["refusal"]);
    emit("response.content_part.added", { ...at, part: { ...part, refusal: "" } });
    emit("response.refusal.delta", { ...at, delta: refusal });
    emit("response.refusal.done", { ...at, refusal });
  } else {
    const text = textOf(part["text"]);
    emit("response.content_part.added", { ...at, part: { ...part, text: "", annotations: [] } });
    emit("response.output_text.delta", { ...at, delta: text, logprobs: [] });
    recordsOf(part["annotations"]).forEach((annotation, annotation_index) => {
      emit("response.output_text.annotation.added", { ...at, annotation_index, annotation });
    });
    emit("response.output_text.done", { ...at, text, logprobs: [] });
  }
  emit("response.content_part.done", { ...at, part });
}

/** Returns an item as its first event shows it: in progress and empty. */
function startedItem(item: JsonObject): JsonObject {
  const started: JsonObject = { ...item, status: "in_progress" };
  if (item["type"] === "message") started["content"] = [];
  if (item["type"] === "function_call") started["arguments"] = "";
  if (item["type"] === "reasoning") started["summary"] = [];
  return started;
}
