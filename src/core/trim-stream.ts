// Upstream's events in, the events of POST /ask out (contract section 2), one at a time and without waiting: a delta leaves when
// it came. What was streamed always joins to what `done` says, also where upstream left out deltas or finished items.
import { type JsonObject, isRecord, textOf } from "./json.ts";
import { type Answer, isAnswerMessage, SUMMARY_SEPARATOR, type ToolCall, toolCallOf } from "./trim.ts";

export type AskEvent =
  | { event: "start"; data: { request_id: string; model: string } }
  | { event: "text" | "reasoning" | "refusal"; data: { delta: string } }
  | { event: "tool_call"; data: ToolCall }
  | { event: "done"; data: Answer }
  | { event: "error"; data: { error: JsonObject } };

type Voice = "text" | "reasoning" | "refusal";

export class TrimStream {
  readonly #requestId: string;
  readonly #requestedModel: string;
  #started = false;
  #sent: Record<Voice, string> = { text: "", reasoning: "", refusal: "" };
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
        if (!this.#muted.has(data["output_index"])) this.#say("text", textOf(data["delta"]), out);
        break;
      case "response.refusal.delta":
        if (!this.#muted.has(data["output_index"])) this.#say("refusal", textOf(data["delta"]), out);
        break;
      case "response.reasoning_summary_text.delta": {
        const part = `${String(data["output_index"])}/${String(data["summary_index"])}`;
        const separator = this.#sent.reasoning !== "" && part !== this.#summaryPart ? SUMMARY_SEPARATOR : "";
        this.#summaryPart = part;
        const delta = textOf(data["delta"]);
        if (delta !== "") this.#say("reasoning", separator + delta, out);
        break;
      }
      case "response.output_item.done":
        if (isRecord(data["item"])) this.#call(toolCallOf(data["item"]), out);
        break;
      default:
    }
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

  #say(voice: Voice, delta: string, out: AskEvent[]): void {
    if (delta === "") return;
    this.#sent[voice] += delta;
    out.push({ event: voice, data: { delta } });
  }

  /** A text that is not what was streamed can't be taken back: `done` then says what holds. */
  #catchUp(voice: Voice, whole: string, out: AskEvent[]): void {
    const sent = this.#sent[voice];
    if (whole.length > sent.length && whole.startsWith(sent)) this.#say(voice, whole.slice(sent.length), out);
  }

  #call(call: ToolCall | undefined, out: AskEvent[]): void {
    if (call === undefined || this.#calls.has(call.call_id)) return;
    this.#calls.add(call.call_id);
    out.push({ event: "tool_call", data: call });
  }
}

/** An answer that is already whole, as the events of a stream: a cache hit, or an upstream that answered JSON. */
export function replay(answer: Answer, requestId: string): AskEvent[] {
  return new TrimStream(requestId, answer.model).finish(answer);
}

/** The part of an event that a text/plain caller reads. A refusal is text only where there is no other. */
export function plainText(event: AskEvent): string {
  if (event.event === "text" || event.event === "refusal") return event.data.delta;
  return "";
}
