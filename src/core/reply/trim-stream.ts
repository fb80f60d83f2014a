// Upstream's events in, the events of POST /ask out (contract section 2), one at a time and without waiting: a delta leaves when
// it came. What was streamed always joins to what `done` says, also where upstream left out deltas or finished items.
import type { Answer, AskEvent, ToolCall } from "../../contract/answer.ts";
import { type JsonObject, isRecord, textOf } from "../lib/json.ts";
import { isAnswerMessage, readOutput, type OutputContent, SUMMARY_SEPARATOR } from "../upstream/output.ts";

type DeltaKind = "text" | "reasoning" | "refusal";

export class TrimStream {
  readonly #requestId: string;
  readonly #requestedModel: string;
  #started = false;
  #sent: Record<DeltaKind, string> = { text: "", reasoning: "", refusal: "" };
  /** What deltas said of each output item, by its index. */
  #heard = { text: new Map<unknown, string>(), refusal: new Map<unknown, string>() };
  #calls = new Set<string>();
  /** Output indexes of messages that are not the final answer. */
  #muted = new Set<unknown>();
  #summaryPart = "";

  constructor(requestId: string, requestedModel: string) {
    this.#requestId = requestId;
    this.#requestedModel = requestedModel;
  }

  /** The events that follow from one of upstream's that is not its end; most have none. */
  push(type: string, data: JsonObject): AskEvent[] {
    const out: AskEvent[] = [];
    this.#start(isRecord(data["response"]) ? textOf(data["response"]["model"]) : "", out);
    switch (type) {
      case "response.output_item.added":
        if (isRecord(data["item"]) && data["item"]["type"] === "message" && !isAnswerMessage(data["item"]))
          this.#muted.add(data["output_index"]);
        break;
      case "response.output_text.delta":
        this.#hear("text", data["output_index"], textOf(data["delta"]), out);
        break;
      case "response.refusal.delta":
        this.#hear("refusal", data["output_index"], textOf(data["delta"]), out);
        break;
      case "response.reasoning_summary_text.delta": {
        const delta = textOf(data["delta"]);
        if (delta === "") break;
        const part = `${String(data["output_index"])}/${String(data["summary_index"])}`;
        const separator = this.#sent.reasoning !== "" && part !== this.#summaryPart ? SUMMARY_SEPARATOR : "";
        this.#summaryPart = part;
        this.#say("reasoning", separator + delta, out);
        break;
      }
      case "response.output_item.done":
        if (isRecord(data["item"])) this.#complete(readOutput({ output: [data["item"]] }), data["output_index"], out);
        break;
      default:
    }
    return out;
  }

  /** The same for a piece of text that came by itself. */
  pushText(outputIndex: unknown, delta: string): AskEvent[] {
    const out: AskEvent[] = [];
    this.#start("", out);
    this.#hear("text", outputIndex, delta, out);
    return out;
  }

  /** The last events: what the deltas had left out, then `done`. */
  finish(answer: Answer): AskEvent[] {
    const out: AskEvent[] = [];
    this.#start(answer.model, out);
    this.#catchUp("reasoning", answer.reasoning_summary ?? "", out);
    this.#catchUp("text", answer.text, out);
    this.#catchUp("refusal", answer.refusal ?? "", out);
    for (const call of answer.tool_calls ?? []) this.#call(call, out);
    out.push({ event: "done", data: answer });
    return out;
  }

  #start(model: string, out: AskEvent[]): void {
    if (this.#started) return;
    this.#started = true;
    out.push({ event: "start", data: { request_id: this.#requestId, model: model || this.#requestedModel } });
  }

  #hear(voice: "text" | "refusal", index: unknown, delta: string, out: AskEvent[]): void {
    if (this.#muted.has(index)) return;
    const heard = this.#heard[voice];
    heard.set(index, (heard.get(index) ?? "") + delta);
    this.#say(voice, delta, out);
  }

  /** A finished item says what its deltas had left out, before the next item speaks. */
  #complete(said: OutputContent, index: unknown, out: AskEvent[]): void {
    for (const voice of ["text", "refusal"] as const) {
      const heard = this.#heard[voice];
      const sent = heard.get(index) ?? "";
      // Deltas without an index may have been this item's: the end of the stream will tell.
      if (typeof index !== "number" || heard.has(undefined) || !said[voice].startsWith(sent)) continue;
      heard.set(index, said[voice]);
      this.#say(voice, said[voice].slice(sent.length), out);
    }
    for (const call of said.toolCalls) this.#call(call, out);
  }

  #say(voice: DeltaKind, delta: string, out: AskEvent[]): void {
    if (delta === "") return;
    this.#sent[voice] += delta;
    out.push({ event: voice, data: { delta } });
  }

  /** A text that is not what was streamed can't be taken back: `done` then says what holds. */
  #catchUp(voice: DeltaKind, whole: string, out: AskEvent[]): void {
    const sent = this.#sent[voice];
    if (whole.length > sent.length && whole.startsWith(sent)) this.#say(voice, whole.slice(sent.length), out);
  }

  #call(call: ToolCall, out: AskEvent[]): void {
    // Without any id two calls of one function can't be told apart, but by what they say.
    const name = call.call_id || JSON.stringify(call);
    if (this.#calls.has(name)) return;
    this.#calls.add(name);
    out.push({ event: "tool_call", data: call });
  }
}

/** An answer that is already whole, as the events of a stream: a cache hit, or an upstream that answered JSON. */
export function replay(answer: Answer, requestId: string): AskEvent[] {
  return new TrimStream(requestId, answer.model).finish(answer);
}

/** The part of an event that a text/plain caller reads. A refusal is text only where there is no other, as the end alone knows. */
export function plainText(event: AskEvent): string {
  if (event.event === "text") return event.data.delta;
  return event.event === "done" && event.data.text === "" ? (event.data.refusal ?? "") : "";
}
