// Converts the complete events of a response to the events of POST /ask (docs/contract.md §2), one at a time and without delay. The deltas
// add up to the texts of `done`, because stream-repair.ts has already added what upstream omitted.
import type { Answer, AskEvent, ToolCall } from "../../contract/answer.ts";
import { type JsonObject, isRecord, textOf } from "../lib/json.ts";
import { isAnswerMessage, SUMMARY_SEPARATOR, toolCallOf } from "../upstream/output.ts";

type DeltaKind = "text" | "reasoning" | "refusal";

export class TrimStream {
  readonly #requestId: string;
  readonly #requestedModel: string;
  #started = false;
  /** Output indexes of messages that are not the final answer. */
  readonly #commentary = new Set<unknown>();
  /** The calls that were not emitted yet, by output index; undefined for a call that is not finished. */
  readonly #calls = new Map<unknown, ToolCall | undefined>();
  #reasoning = "";
  /** The part of the reasoning summary to which the last delta belonged. */
  #summaryPart = "";

  constructor(requestId: string, requestedModel: string) {
    this.#requestId = requestId;
    this.#requestedModel = requestedModel;
  }

  /** Converts one complete event; most types produce no event. `finish` handles the end of the answer. */
  push(type: string, data: JsonObject): AskEvent[] {
    const out: AskEvent[] = [];
    this.#start(isRecord(data["response"]) ? textOf(data["response"]["model"]) : "", out);
    switch (type) {
      case "response.output_item.added": {
        const { item, output_index } = data;
        if (!isRecord(item)) break;
        if (item["type"] === "message" && !isAnswerMessage(item)) this.#commentary.add(output_index);
        if (toolCallOf(item) !== undefined) this.#calls.set(output_index, undefined);
        break;
      }
      case "response.output_text.delta":
        this.#emitContent("text", data["output_index"], textOf(data["delta"]), out);
        break;
      case "response.refusal.delta":
        this.#emitContent("refusal", data["output_index"], textOf(data["delta"]), out);
        break;
      case "response.reasoning_summary_text.delta": {
        const delta = textOf(data["delta"]);
        if (delta === "") break;
        const part = `${String(data["output_index"])}/${String(data["summary_index"])}`;
        const separator = this.#reasoning !== "" && part !== this.#summaryPart ? SUMMARY_SEPARATOR : "";
        this.#summaryPart = part;
        this.#emitReasoning(separator + delta, out);
        break;
      }
      case "response.output_item.done": {
        const call = isRecord(data["item"]) ? toolCallOf(data["item"]) : undefined;
        if (call !== undefined) this.#emitCall(data["output_index"], call, out);
        break;
      }
      default:
    }
    return out;
  }

  /** Does the same as `push` for a text delta whose event was not parsed. */
  pushText(outputIndex: number, delta: string): AskEvent[] {
    const out: AskEvent[] = [];
    this.#start("", out);
    this.#emitContent("text", outputIndex, delta, out);
    return out;
  }

  /** Returns the last events. A reasoning summary may be known only at the end. */
  finish(answer: Answer): AskEvent[] {
    const out: AskEvent[] = [];
    this.#start(answer.model, out);
    const reasoning = answer.reasoning_summary ?? "";
    if (reasoning.startsWith(this.#reasoning)) this.#emitReasoning(reasoning.slice(this.#reasoning.length), out);
    out.push({ event: "done", data: answer });
    return out;
  }

  #start(model: string, out: AskEvent[]): void {
    if (this.#started) return;
    this.#started = true;
    out.push({ event: "start", data: { request_id: this.#requestId, model: model || this.#requestedModel } });
  }

  #emitContent(kind: "text" | "refusal", index: unknown, delta: string, out: AskEvent[]): void {
    if (!this.#commentary.has(index)) emitDelta(kind, delta, out);
  }

  /** Emits a finished call once all calls before it are finished, so that the events have the order of the answer's list. */
  #emitCall(index: unknown, call: ToolCall, out: AskEvent[]): void {
    this.#calls.set(index, call);
    for (const [at, finished] of this.#calls) {
      if (finished === undefined) return;
      this.#calls.delete(at);
      out.push({ event: "tool_call", data: finished });
    }
  }

  #emitReasoning(delta: string, out: AskEvent[]): void {
    this.#reasoning += delta;
    emitDelta("reasoning", delta, out);
  }
}

function emitDelta(kind: DeltaKind, delta: string, out: AskEvent[]): void {
  if (delta !== "") out.push({ event: kind, data: { delta } });
}

/** Converts a complete answer to stream events, for a cache hit or an upstream that returned JSON. */
export function eventsOfAnswer(answer: Answer, requestId: string): AskEvent[] {
  const out: AskEvent[] = [{ event: "start", data: { request_id: requestId, model: answer.model } }];
  emitDelta("reasoning", answer.reasoning_summary ?? "", out);
  emitDelta("text", answer.text, out);
  emitDelta("refusal", answer.refusal ?? "", out);
  for (const call of answer.tool_calls ?? []) out.push({ event: "tool_call", data: call });
  out.push({ event: "done", data: answer });
  return out;
}

/** Returns an event's part of a text/plain answer. If the answer has no text, which is known only at the end, the refusal is returned. */
export function plainText(event: AskEvent): string {
  if (event.event === "text") return event.data.delta;
  return event.event === "done" && event.data.text === "" ? (event.data.refusal ?? "") : "";
}
