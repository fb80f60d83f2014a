// Entries of the menu that change items and responses in the same way in JSON and in every event of a stream.
import { responseIn } from "./events.ts";
import type { Hooks } from "./fault.ts";
import { asObject, asObjects, asText, type Json, type JsonObject } from "./json.ts";

/** Changes the response object of a JSON answer and of each event that has one. */
export const changeResponse = (change: (response: JsonObject) => JsonObject): Hooks => ({
  json: change,
  events: (events) =>
    events.map((event) => {
      const response = responseIn(event);
      return response ? { ...event, response: change(response) } : event;
    }),
});

/** Changes each item, in `output` and in the events that add or end an item. */
export const changeItems = (change: (item: JsonObject) => JsonObject): Hooks => {
  const { json, events } = changeResponse((response) => ({
    ...response,
    output: asObjects(response["output"]).map(change),
  }));
  return {
    ...(json ? { json } : {}),
    events: (all, call) =>
      (events?.(all, call) ?? all).map((event) => {
        const item = asObject(event["item"]);
        return item ? { ...event, item: change(item) } : event;
      }),
  };
};

/** Changes each part of a message, in its item and in the events that add or end a part. */
export const changeParts = (change: (part: JsonObject) => JsonObject): Hooks => {
  const { json, events } = changeItems((item) =>
    item["type"] === "message" ? { ...item, content: asObjects(item["content"]).map(change) } : item,
  );
  return {
    ...(json ? { json } : {}),
    events: (all, call) =>
      (events?.(all, call) ?? all).map((event) => {
        const part = asObject(event["part"]);
        const isOfMessage = (asText(event["type"]) ?? "").startsWith("response.content_part");
        return part && isOfMessage ? { ...event, part: change(part) } : event;
      }),
  };
};

const ofType = (type: string, change: (item: JsonObject) => JsonObject): Hooks =>
  changeItems((item) => (item["type"] === type ? change(item) : item));

const partsText = (parts: Json | undefined, separator = ""): string =>
  asObjects(parts)
    .map((part) => asText(part["text"]) ?? asText(part["refusal"]) ?? "")
    .join(separator);

/** By the words in the name after `items-with-`. */
export const ITEM_FORMS: Record<string, Hooks> = {
  "content-as-text": ofType("message", (item) => ({ ...item, content: partsText(item["content"]) })),
  "parts-as-texts": ofType("message", (item) => ({
    ...item,
    content: asObjects(item["content"]).map((part) => asText(part["text"]) ?? ""),
  })),
  "parts-of-type-text": changeParts((part) => (part["type"] === "output_text" ? { ...part, type: "text" } : part)),
  "arguments-as-object": argumentsAsObject(),
  "summary-as-text": ofType("reasoning", (item) => ({ ...item, summary: partsText(item["summary"], "\n\n") })),
  "summary-as-texts": ofType("reasoning", (item) => ({
    ...item,
    summary: asObjects(item["summary"]).map((part) => asText(part["text"]) ?? ""),
  })),
  "one-id": changeItems((item) => ({ ...item, id: "item_1" })),
  "empty-ids": changeItems((item) => ({ ...item, id: "" })),
  "null-ids": changeItems((item) => ({ ...item, id: null })),
  "null-status": changeItems((item) => ({ ...item, status: null })),
  "status-in-progress": changeItems((item) => ({ ...item, status: "in_progress" })),
};

function parsed(text: Json | undefined): Json {
  const raw = asText(text) ?? "";
  return raw === "" ? {} : (JSON.parse(raw) as Json);
}

/** In the event that ends the arguments, too. */
function argumentsAsObject(): Hooks {
  const { json, events } = ofType("function_call", (item) => ({ ...item, arguments: parsed(item["arguments"]) }));
  return {
    ...(json ? { json } : {}),
    events: (all, call) =>
      (events?.(all, call) ?? all).map((event) =>
        "arguments" in event ? { ...event, arguments: parsed(event["arguments"]) } : event,
      ),
  };
}
