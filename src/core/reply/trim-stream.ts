// Converts upstream's events to the events of POST /ask (docs/contract.md §2), one at a time and without delay. The deltas add up to the
// text of `done`, even if upstream left out deltas or finished items.
import type { Answer, AskEvent, ToolCall } from "../../contract/answer.ts";
import { type JsonObject, isRecord, textOf } from "../lib/json.ts";
import { isAnswerMessage, readOutput, type OutputContent, SUMMARY_SEPARATOR } from "../upstream/output.ts";

type DeltaKind = "text" | "reasoning" | "refusal";

export class TrimStream {
  readonly #requestId: string;
  readonly #requestedModel: string;
  #started = false;
  #sent: Record<DeltaKind, string> = { text: "", reasoning: "", refusal: "" };
  /** The text so far of each output item, by the item's index. */
  #received = { text: new Map<unknown, string>(), refusal: new Map<unknown, string>() };
  /** The ids of tool calls that were sent. A call without an id is represented by its JSON. */
  #calls = new Set<string>();
  /** Output indexes of messages that are not the final answer. */
  #commentary = new Set<unknown>();
  /** The part of the reasoning summary to which the last delta belonged. */
  #summaryPart = "";

  constructor(requestId: string, requestedModel: string) {
    this.#requestId = requestId;
    this.#requestedModel = requestedModel;
  }

  /** Converts one event of upstream; most types produce no event. `finish` handles the last event. */
  push(type: string, data: JsonObject): AskEvent[] {
    const out: AskEvent[] = [];
    this.#start(isRecord(data["response"]) ? textOf(data["response"]["model"]) : "", out);
    switch (type) {
      case "response.output_item.added":
        if (isRecord(data["item"]) && data["item"]["type"] === "message" && !isAnswerMessage(data["item"]))
          this.#commentary.add(data["output_index"]);
        break;
      case "response.output_text.delta":
        this.#receive("text", data["output_index"], textOf(data["delta"]), out);
        break;
      case "response.refusal.delta":
        this.#receive("refusal", data["output_index"], textOf(data["delta"]), out);
        break;
      case "response.reasoning_summary_text.delta": {
        const delta = textOf(data["delta"]);
        if (delta === "") break;
        const part = `${String(data["output_index"])}/${String(data["summary_index"])}`;
        const separator = this.#sent.reasoning !== "" && part !== this.#summaryPart ? SUMMARY_SEPARATOR : "";
        this.#summaryPart = part;
        this.#emit("reasoning", separator + delta, out);
        break;
      }
      case "response.output_item.done":
        if (isRecord(data["item"])) this.#complete(readOutput({ output: [data["item"]] }), data["output_index"], out);
        break;
      default:
    }
    return out;
  }

  /** Does the same as `push` for a text delta whose event was not parsed. */
  pushText(outputIndex: unknown, delta: string): AskEvent[] {
    const out: AskEvent[] = [];
    this.#start("", out);
    this.#receive("text", outputIndex, delta, out);
    return out;
  }

  /** Returns the last events: those for everything that the deltas left out, then `done`. */
  finish(answer: Answer): AskEvent[] {
    const out: AskEvent[] = [];
    this.#start(answer.model, out);
    this.#catchUp("reasoning", answer.reasoning_summary ?? "", out);
    this.#catchUp("text", answer.text, out);
    this.#catchUp("refusal", answer.refusal ?? "", out);
    for (const call of answer.tool_calls ?? []) this.#emitCall(call, out);
    out.push({ event: "done", data: answer });
    return out;
  }

  #start(model: string, out: AskEvent[]): void {
    if (this.#started) return;
    this.#started = true;
    out.push({ event: "start", data: { request_id: this.#requestId, model: model || this.#requestedModel } });
  }

  #receive(kind: "text" | "refusal", index: unknown, delta: string, out: AskEvent[]): void {
    if (this.#commentary.has(index)) return;
    const received = this.#received[kind];
    received.set(index, (received.get(index) ?? "") + delta);
    this.#emit(kind, delta, out);
  }

  /** Emits everything that the deltas of a finished item left out, before the next item begins. */
  #complete(content: OutputContent, index: unknown, out: AskEvent[]): void {
    for (const kind of ["text", "refusal"] as const) {
      const received = this.#received[kind];
      const sent = received.get(index) ?? "";
      // Deltas without an index may belong to this item. Then `finish` emits the rest.
      if (typeof index !== "number" || received.has(undefined) || !content[kind].startsWith(sent)) continue;
      received.set(index, content[kind]);
      this.#emit(kind, content[kind].slice(sent.length), out);
    }
    for (const call of content.toolCalls) this.#emitCall(call, out);
  }

  #emit(kind: DeltaKind, delta: string, out: AskEvent[]): void {
    if (delta === "") return;
    this.#sent[kind] += delta;
    out.push({ event: kind, data: { delta } });
  }

  /** Emits the rest of a text. If the deltas so far are not its beginning, they can't be revoked, and only `done` has the right text. */
  #catchUp(kind: DeltaKind, text: string, out: AskEvent[]): void {
    const sent = this.#sent[kind];
    if (text.length > sent.length && text.startsWith(sent)) this.#emit(kind, text.slice(sent.length), out);
  }

  #emitCall(call: ToolCall, out: AskEvent[]): void {
    // Calls without an id differ only by their content.
    const key = call.call_id || JSON.stringify(call);
    if (this.#calls.has(key)) return;
    this.#calls.add(key);
    out.push({ event: "tool_call", data: call });
  }
}

/** Converts a complete answer to stream events, for a cache hit or an upstream that returned JSON. */
export function eventsOfAnswer(answer: Answer, requestId: string): AskEvent[] {
  return new TrimStream(requestId, answer.model).finish(answer);
}

/** Returns an event's part of a text/plain answer. If the answer has no text, which is known only at the end, the refusal is returned. */
export function plainText(event: AskEvent): string {
  if (event.event === "text") return event.data.delta;
  return event.event === "done" && event.data.text === "" ? (event.data.refusal ?? "") : "";
}
