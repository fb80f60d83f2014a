// The events of one upstream stream, gathered into the response object that the stream was about. Needs no complete stream: a relay
// may leave out deltas, finished items, or the output in its terminal event; whichever of them came is enough.
import { isRecord, type JsonObject, textOf } from "../lib/json.ts";
import type { Frame } from "../lib/sse.ts";
import type { TextDelta } from "./text-delta.ts";
import { JsonText } from "./json-text.ts";
import { Problem } from "../lib/problem.ts";
import { isAnswerMessage, itemsOf } from "./output.ts";

/**
 * How a stream ended: with a response object (completed, incomplete, failed), or with an error in upstream's own words. `begun`: there
 * had been output by then, so it may have been paid, whatever the error says.
 */
export type Terminal = { kind: "response"; response: JsonObject } | { kind: "error"; body: JsonObject; begun: boolean };

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
  if (type === "error") return true;
  const { error } = data;
  if (!isRecord(error) || isRecord(data["response"])) return false;
  // An item's own failure (a tool's) is told in passing; the answer goes on.
  const ofAnItem = data["item_id"] !== undefined || data["output_index"] !== undefined || data["delta"] !== undefined;
  return (
    !type.startsWith("response.") || (!ofAnItem && (textOf(error["code"]) !== "" || textOf(error["message"]) !== ""))
  );
}

/** One output item: finished, or what the deltas have said of it so far. */
interface Draft {
  item?: JsonObject;
  text: JsonText;
  refusal: string;
  /** A message that is not the answer. */
  muted: boolean;
}

/** Twice what one whole answer may be: deltas, and the items that say the same again. */
const MAX_KEPT = 16 * 1_048_576;

export class Assembly {
  /** By output index, in the order of their first sight. */
  #drafts = new Map<unknown, Draft>();
  #first: JsonObject | undefined;
  /** Characters and bytes kept so far, roughly. */
  #kept = 0;

  /** The response object as the stream first showed it (id, model, echo), if it did. */
  get firstResponse(): JsonObject | undefined {
    return this.#first;
  }

  /**
   * @param size of the event in bytes
   * @returns the end, when this event is the end
   * @throws Problem where the stream says more than an answer can be
   */
  add(type: string, data: JsonObject, size = 0): Terminal | undefined {
    if (isErrorEvent(type, data)) return { kind: "error", body: data, begun: this.#drafts.size > 0 };
    const response = data["response"];
    if (isRecord(response)) {
      const status = STATUS_BY_EVENT[type];
      if (status !== undefined) return { kind: "response", response: this.#whole(response, status) };
      this.#first ??= response;
    } else if (type === "response.output_item.added" && isRecord(data["item"])) {
      if (typeof data["output_index"] === "number") {
        this.#draft(data).muted = data["item"]["type"] === "message" && !isAnswerMessage(data["item"]);
      }
    } else if (type === "response.output_item.done" && isRecord(data["item"])) {
      this.#keep(size);
      this.#finish(data, data["item"]);
    } else if (type === "response.output_text.delta") {
      this.#keep(textOf(data["delta"]).length);
      this.#draft(data).text.add(textOf(data["delta"]));
    } else if (type === "response.refusal.delta") {
      this.#keep(textOf(data["delta"]).length);
      this.#draft(data).refusal += textOf(data["delta"]);
    }
    return undefined;
  }

  /** The same for a piece of text that nobody has parsed. */
  addText(delta: TextDelta, frame: Frame): void {
    this.#keep(delta.to - delta.from);
    this.#draftAt(delta.outputIndex).text.addEscaped(frame, delta.from, delta.to);
  }

  #keep(size: number): void {
    this.#kept += size;
    if (this.#kept <= MAX_KEPT) return;
    throw new Problem(
      "upstream_invalid_response",
      "UniAPI's stream says more than this Worker takes. The call may have been paid.",
      {
        paid: "maybe",
        reason: "answer too large",
      },
    );
  }

  /** Events without an index speak of one item together. */
  #draft(data: JsonObject): Draft {
    return this.#draftAt(data["output_index"]);
  }

  #draftAt(index: unknown): Draft {
    let draft = this.#drafts.get(index);
    if (draft === undefined) this.#drafts.set(index, (draft = { text: new JsonText(), refusal: "", muted: false }));
    return draft;
  }

  #finish(data: JsonObject, item: JsonObject): void {
    const index = data["output_index"];
    if (typeof index === "number") this.#draft(data).item = item;
    else
      this.#drafts.set(Symbol("an item without an index"), { item, text: new JsonText(), refusal: "", muted: false });
    if (item["type"] !== "message") return;
    // Where the index is missing on one side, the deltas so far were this item's: it says it all.
    for (const [key, draft] of this.#drafts) {
      if (draft.item === undefined && (typeof index !== "number" || typeof key !== "number")) this.#drafts.delete(key);
    }
  }

  /** The output as the events told it. */
  #told(status: string): JsonObject[] {
    return [...this.#drafts.values()].flatMap(({ item, text: said, refusal, muted }) => {
      if (item !== undefined) return [item];
      const text = said.toString();
      const content: JsonObject[] = [];
      if (text !== "") content.push({ type: "output_text", text, annotations: [] });
      if (refusal !== "") content.push({ type: "refusal", refusal });
      return muted || content.length === 0 ? [] : [{ type: "message", role: "assistant", status, content }];
    });
  }

  #whole(response: JsonObject, status: string): JsonObject {
    const whole: JsonObject = { ...this.#first, ...response };
    if (textOf(whole["status"]) === "" || whole["status"] === "in_progress") whole["status"] = status;
    if (textOf(whole["id"]) === "" && this.#first !== undefined) whole["id"] = this.#first["id"];
    if (itemsOf(whole).length > 0) return whole;
    const told = this.#told(status);
    if (told.length > 0) whole["output"] = told;
    return whole;
  }
}
