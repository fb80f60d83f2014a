// The events of one upstream stream, gathered into the response object that the stream was about. Needs no complete stream: a relay
// may leave out deltas, finished items, or the output in its terminal event; whichever of them came is enough.
import { isRecord, type JsonObject, textOf } from "./json.ts";
import { itemsOf } from "./trim.ts";

/** How a stream ended: with a response object (completed, incomplete, failed), or with an error in upstream's own words. */
export type Terminal = { kind: "response"; response: JsonObject } | { kind: "error"; body: JsonObject };

const STATUS_BY_EVENT: Readonly<Record<string, string>> = {
  "response.completed": "completed",
  "response.incomplete": "incomplete",
  "response.failed": "failed",
  "response.cancelled": "cancelled",
};

/** The type of an event: from its data, and from the `event:` line only where the data has none. */
export function eventType(data: JsonObject, eventLine: string): string {
  return textOf(data["type"]) || eventLine;
}

/** An error in any of its dresses: `{type:"error"}` flat or nested, or `{error:{…}}` alone. */
export function isErrorEvent(type: string, data: JsonObject): boolean {
  return type === "error" || (!type.startsWith("response.") && isRecord(data["error"]));
}

export class Assembly {
  #items: JsonObject[] = [];
  #text = "";
  #first: JsonObject | undefined;

  /** The response object as the stream first showed it (id, model, echo), if it did. */
  get first(): JsonObject | undefined {
    return this.#first;
  }

  /** @returns the end, when this event is the end. */
  add(type: string, data: JsonObject): Terminal | undefined {
    if (isErrorEvent(type, data)) return { kind: "error", body: data };
    const response = data["response"];
    if (isRecord(response)) {
      const status = STATUS_BY_EVENT[type];
      if (status !== undefined) return { kind: "response", response: this.#whole(response, status) };
      this.#first ??= response;
    } else if (type === "response.output_item.done" && isRecord(data["item"])) {
      this.#items.push(data["item"]);
    } else if (type === "response.output_text.delta") {
      this.#text += textOf(data["delta"]);
    }
    return undefined;
  }

  #whole(response: JsonObject, status: string): JsonObject {
    const whole: JsonObject = { ...this.#first, ...response };
    if (textOf(whole["status"]) === "" || whole["status"] === "in_progress") whole["status"] = status;
    if (textOf(whole["id"]) === "" && this.#first !== undefined) whole["id"] = this.#first["id"];
    if (itemsOf(whole).length > 0 || textOf(whole["output_text"]) !== "") return whole;
    if (this.#items.length > 0) whole["output"] = this.#items;
    else if (this.#text !== "") {
      const content = [{ type: "output_text", text: this.#text, annotations: [] }];
      whole["output"] = [{ type: "message", role: "assistant", status, content }];
    }
    return whole;
  }
}
