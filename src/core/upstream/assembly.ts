// Assembles the events of one upstream stream into its response object. Accepts incomplete streams: a relay may leave out deltas,
// finished items, or the output in the terminal event; any one of these is enough.
import { isRecord, type JsonObject, textOf } from "../lib/json.ts";
import { Problem } from "../lib/problem.ts";
import type { Frame } from "../lib/sse.ts";
import { TextBuilder } from "./text-builder.ts";
import { isAnswerMessage, itemsOf } from "./output.ts";
import type { TextDelta } from "./text-delta.ts";

/**
 * How a stream ended: with a response object (completed, incomplete, failed), or with an error in upstream's words. `hasOutput`: there
 * was output before the error, so the call may have been paid, even if the error says otherwise.
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

/** The type of an event: from its data, or from the `event:` line if the data has none. */
export function eventType(data: JsonObject, eventLine: string): string {
  return textOf(data["type"]) || eventLine;
}

/** Whether the event is an error of the whole stream, in any form: `{type:"error"}` flat or nested, or `{error:{…}}` alone. */
export function isErrorEvent(type: string, data: JsonObject): boolean {
  if (type === "error") return true;
  const { error } = data;
  if (!isRecord(error) || isRecord(data["response"])) return false;
  // A single item, such as a tool call, may fail while the answer goes on.
  const isOfItem = data["item_id"] !== undefined || data["output_index"] !== undefined || data["delta"] !== undefined;
  return (
    !type.startsWith("response.") || (!isOfItem && (textOf(error["code"]) !== "" || textOf(error["message"]) !== ""))
  );
}

/** One output item: the finished one, or a draft from its deltas so far. */
interface PartialItem {
  item?: JsonObject;
  text: TextBuilder;
  refusal: string;
  /** A message that is not the final answer. */
  isCommentary: boolean;
}

/** In bytes: twice the largest answer, for its deltas and the finished items that repeat them. */
const MAX_SIZE = 16 * 1_048_576;

export class Assembly {
  /** By output index, in the order in which they first appeared. */
  #items = new Map<unknown, PartialItem>();
  /** The keys of the drafts, so that no finished message has to search all items for them. */
  readonly #indexedDrafts = new Set<unknown>();
  readonly #otherDrafts = new Set<unknown>();
  #firstResponse: JsonObject | undefined;
  /** Characters and bytes stored so far, roughly. */
  #size = 0;

  /** The response object as the stream first showed it (id, model, echoed fields), if it did. */
  get firstResponse(): JsonObject | undefined {
    return this.#firstResponse;
  }

  /**
   * @param size of the event in bytes
   * @returns the end, if this event is the end
   * @throws Problem upstream_invalid_response for a stream that is larger than an answer can be
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

  /** Adds a text delta without parsing its frame. @throws Problem like add */
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

  /** Events without an index belong to one item together. */
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
    // If the index is missing on one side, the deltas so far belong to this item, which has all of their text.
    this.#remove(this.#otherDrafts);
    if (typeof index !== "number") this.#remove(this.#indexedDrafts);
  }

  #remove(drafts: Set<unknown>): void {
    for (const key of drafts) this.#items.delete(key);
    drafts.clear();
  }

  /** The finished items; the draft of each item that was not finished. */
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

  /** The terminal event's response, completed by the first event's response and by the assembled output. */
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
