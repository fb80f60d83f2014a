// Assembles the events of one upstream stream into its response object. A relay may leave out deltas, finished items, or the output in the
// terminal event; any one of the three is enough.
import { isRecord, type JsonObject, textOf } from "../lib/json.ts";
import { Problem } from "../lib/problem.ts";
import type { Frame } from "../lib/sse.ts";
import { TextBuilder } from "./text-builder.ts";
import { isAnswerMessage, itemsOf } from "./output.ts";
import type { TextDelta } from "./text-delta.ts";

/**
 * How a stream ended: with a response object (completed, incomplete, failed), or with upstream's error. `hasOutput` is true if there was
 * output before the error. Then the call may have been paid, even if the error suggests that it was not.
 */
export type Terminal =
  | { kind: "response"; response: JsonObject }
  | { kind: "error"; body: JsonObject; hasOutput: boolean };

const STATUS_BY_EVENT: Readonly<Record<string, string>> = {
  "response.completed": "completed",
  "response.incomplete": "incomplete",
  "response.failed": "failed",
  "response.cancelled": "cancelled",
};

/** Returns the type of an event: `type` in its data, else its `event:` line. */
export function eventType(data: JsonObject, eventLine: string): string {
  return textOf(data["type"]) || eventLine;
}

/** Whether the event ends the stream with an error. Its form is `{type:"error"}`, flat or with a nested error, or only `{error:{…}}`. */
export function isErrorEvent(type: string, data: JsonObject): boolean {
  if (type === "error") return true;
  const { error } = data;
  if (!isRecord(error) || isRecord(data["response"])) return false;
  // One item, such as a tool call, may fail while the answer continues.
  const isOfItem = data["item_id"] !== undefined || data["output_index"] !== undefined || data["delta"] !== undefined;
  return (
    !type.startsWith("response.") || (!isOfItem && (textOf(error["code"]) !== "" || textOf(error["message"]) !== ""))
  );
}

/** One output item: `item` once it is finished, and until then a draft of the deltas so far. */
interface PartialItem {
  item?: JsonObject;
  text: TextBuilder;
  refusal: string;
  /** A message that is not the final answer. */
  isCommentary: boolean;
}

/** In bytes. Twice the size of the largest answer, because the finished items repeat the text of the deltas. */
const MAX_SIZE = 16 * 1_048_576;

export class Assembly {
  /** The items by their output index, in the order in which they first appeared. */
  #items = new Map<unknown, PartialItem>();
  /** The keys of unfinished items that have an index. Without these two sets, each finished message would have to search all items. */
  readonly #indexedDrafts = new Set<unknown>();
  /** The keys of unfinished items without an index. */
  readonly #otherDrafts = new Set<unknown>();
  #firstResponse: JsonObject | undefined;
  /** The approximate size of everything stored so far, in bytes. */
  #size = 0;

  /** The first response object in the stream, which has the id, the model and the echoed fields; undefined if there was none yet. */
  get firstResponse(): JsonObject | undefined {
    return this.#firstResponse;
  }

  /**
   * Adds an event.
   * @param size the event's size in bytes
   * @returns how the stream ended, if this event ends it
   * @throws Problem upstream_invalid_response if the stream is larger than any answer can be
   */
  add(type: string, data: JsonObject, size = 0): Terminal | undefined {
    if (isErrorEvent(type, data)) return { kind: "error", body: data, hasOutput: this.#items.size > 0 };
    const response = data["response"];
    if (isRecord(response)) {
      const status = STATUS_BY_EVENT[type];
      if (status !== undefined) return { kind: "response", response: this.#complete(response, status) };
      this.#firstResponse ??= response;
    } else if (type === "response.output_item.added" && isRecord(data["item"])) {
      if (typeof data["output_index"] === "number") {
        this.#itemOf(data).isCommentary = data["item"]["type"] === "message" && !isAnswerMessage(data["item"]);
      }
    } else if (type === "response.output_item.done" && isRecord(data["item"])) {
      this.#addSize(size);
      this.#finish(data["output_index"], data["item"]);
    } else if (type === "response.output_text.delta") {
      this.#addSize(textOf(data["delta"]).length);
      this.#itemOf(data).text.add(textOf(data["delta"]));
    } else if (type === "response.refusal.delta") {
      this.#addSize(textOf(data["delta"]).length);
      this.#itemOf(data).refusal += textOf(data["delta"]);
    }
    return undefined;
  }

  /** Adds a text delta without parsing its frame. @throws Problem as `add` does */
  addText(delta: TextDelta, frame: Frame): void {
    this.#addSize(delta.to - delta.from);
    this.#itemAt(delta.outputIndex).text.addEscaped(frame, delta.from, delta.to);
  }

  #addSize(size: number): void {
    this.#size += size;
    if (this.#size <= MAX_SIZE) return;
    throw new Problem(
      "upstream_invalid_response",
      "UniAPI's stream is larger than this Worker accepts. The call may have been billed.",
      {
        paid: "maybe",
        reason: "answer too large",
      },
    );
  }

  /** All events without an index share one item. */
  #itemOf(data: JsonObject): PartialItem {
    return this.#itemAt(data["output_index"]);
  }

  #itemAt(index: unknown): PartialItem {
    let item = this.#items.get(index);
    if (item === undefined) {
      this.#items.set(index, (item = emptyItem()));
      (typeof index === "number" ? this.#indexedDrafts : this.#otherDrafts).add(index);
    }
    return item;
  }

  #finish(index: unknown, item: JsonObject): void {
    if (typeof index === "number") {
      this.#itemAt(index).item = item;
      this.#indexedDrafts.delete(index);
    } else {
      this.#items.set(Symbol("an item without an index"), { ...emptyItem(), item });
    }
    if (item["type"] !== "message") return;
    // If the deltas or the finished item have no index, the deltas so far belong to this item, which repeats their text.
    this.#remove(this.#otherDrafts);
    if (typeof index !== "number") this.#remove(this.#indexedDrafts);
  }

  #remove(drafts: Set<unknown>): void {
    for (const key of drafts) this.#items.delete(key);
    drafts.clear();
  }

  /** Returns all items in order. A message is built from the draft of each unfinished item. */
  #output(status: string): JsonObject[] {
    return [...this.#items.values()].flatMap(({ item, text: deltas, refusal, isCommentary }) => {
      if (item !== undefined) return [item];
      const text = deltas.toString();
      const content: JsonObject[] = [];
      if (text !== "") content.push({ type: "output_text", text, annotations: [] });
      if (refusal !== "") content.push({ type: "refusal", refusal });
      return isCommentary || content.length === 0 ? [] : [{ type: "message", role: "assistant", status, content }];
    });
  }

  /** Completes the terminal event's response with the fields of the first response and the assembled output. */
  #complete(response: JsonObject, status: string): JsonObject {
    const complete: JsonObject = { ...this.#firstResponse, ...response };
    if (textOf(complete["status"]) === "" || complete["status"] === "in_progress") complete["status"] = status;
    if (textOf(complete["id"]) === "" && this.#firstResponse !== undefined) complete["id"] = this.#firstResponse["id"];
    if (itemsOf(complete).length > 0) return complete;
    const output = this.#output(status);
    if (output.length > 0) complete["output"] = output;
    return complete;
  }
}

function emptyItem(): PartialItem {
  return { text: new TextBuilder(), refusal: "", isCommentary: false };
}
