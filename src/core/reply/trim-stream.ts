// Converts the complete events of a response to the events of POST /ask (docs/contract.md §2), one at a time and without delay. The deltas
// add up to the texts of `done`, because stream-repair.ts has already added what upstream left out.
import type { Answer, AskEvent } from "../../contract/answer.ts";
import { type JsonObject, isRecord, textOf } from "../lib/json.ts";
import { isAnswerMessage, SUMMARY_SEPARATOR, toolCallOf } from "../upstream/output.ts";

type DeltaKind = "text" | "reasoning" | "refusal";

export class TrimStream {
  readonly #requestId: string;
  readonly #requestedModel: string;
  #started = false;
  /** Output indexes of messages that are not the final answer. */
  readonly #commentary = new Set<unknown>();
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
      case "response.output_item.added":
        if (isRecord(data["item"]) && data["item"]["type"] === "message" && !isAnswerMessage(data["item"]))
          this.#commentary.add(data["output_index"]);
        break;
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
        if (call !== undefined) out.push({ event: "tool_call", data: call });
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
