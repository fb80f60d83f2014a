// A whole response as the event stream that it could have come in: for a kept answer, and for an upstream that answered JSON to a
// stream. Valid for the SDKs' stream readers: every item is added, filled and done, in order, under one count.
import { type JsonObject, recordsOf, textOf } from "../lib/json.ts";
import { itemsOf } from "../upstream/output.ts";

/** @param response complete, as responses-object.ts makes it. @returns the events' data, `type` and `sequence_number` in it */
export function replayEvents(response: JsonObject): JsonObject[] {
  const events: JsonObject[] = [];
  const say = (type: string, data: JsonObject): void => {
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
  say("response.created", { response: started });
  say("response.in_progress", { response: started });
  itemsOf(response).forEach((item, output_index) => {
    const at = { item_id: textOf(item["id"]), output_index };
    say("response.output_item.added", { output_index, item: emptied(item) });
    recordsOf(item["summary"]).forEach((part, summary_index) => {
      const text = textOf(part["text"]);
      say("response.reasoning_summary_part.added", { ...at, summary_index, part: { ...part, text: "" } });
      say("response.reasoning_summary_text.delta", { ...at, summary_index, delta: text });
      say("response.reasoning_summary_text.done", { ...at, summary_index, text });
      say("response.reasoning_summary_part.done", { ...at, summary_index, part });
    });
    if (item["type"] === "message") {
      recordsOf(item["content"]).forEach((part, content_index) => sayPart(say, { ...at, content_index }, part));
    }
    if (item["type"] === "function_call") {
      const text = textOf(item["arguments"]);
      say("response.function_call_arguments.delta", { ...at, delta: text });
      say("response.function_call_arguments.done", { ...at, name: textOf(item["name"]), arguments: text });
    }
    say("response.output_item.done", { output_index, item });
  });
  const status = textOf(response["status"]);
  say(status === "incomplete" || status === "failed" ? `response.${status}` : "response.completed", { response });
  return events;
}

function sayPart(say: (type: string, data: JsonObject) => void, at: JsonObject, part: JsonObject): void {
  if (part["type"] === "refusal") {
    const refusal = textOf(part["refusal"]);
    say("response.content_part.added", { ...at, part: { ...part, refusal: "" } });
    say("response.refusal.delta", { ...at, delta: refusal });
    say("response.refusal.done", { ...at, refusal });
  } else {
    const text = textOf(part["text"]);
    say("response.content_part.added", { ...at, part: { ...part, text: "", annotations: [] } });
    say("response.output_text.delta", { ...at, delta: text, logprobs: [] });
    recordsOf(part["annotations"]).forEach((annotation, annotation_index) => {
      say("response.output_text.annotation.added", { ...at, annotation_index, annotation });
    });
    say("response.output_text.done", { ...at, text, logprobs: [] });
  }
  say("response.content_part.done", { ...at, part });
}

/** An item as it is when it starts. */
function emptied(item: JsonObject): JsonObject {
  const started: JsonObject = { ...item, status: "in_progress" };
  if (item["type"] === "message") started["content"] = [];
  if (item["type"] === "function_call") started["arguments"] = "";
  if (item["type"] === "reasoning") started["summary"] = [];
  return started;
}
