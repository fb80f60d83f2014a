// Good streams: complete OpenAI lifecycles of every kind of answer, and the content of each. test/support/relay-mutations.ts breaks them
// as relays do. Written from OpenAI's documentation, and not from the code under test.
import fc from "fast-check";

export type JsonObject = Record<string, unknown>;

/** One server-sent event. `line` is the value of its `event:` line. */
export interface RelayEvent {
  line: string;
  data: JsonObject;
}

/** A part of a message, in the deltas in which it arrives. */
export type PartPlan =
  | { kind: "text"; deltas: readonly string[]; citations?: readonly JsonObject[] }
  | { kind: "refusal"; deltas: readonly string[] };

export type ItemPlan =
  | { kind: "message"; phase?: "commentary" | "final_answer"; parts: readonly PartPlan[] }
  /** Each part of the summary, in deltas. */
  | { kind: "reasoning"; summary: readonly (readonly string[])[] }
  | { kind: "function_call" | "custom_tool_call"; name: string; deltas: readonly string[] }
  | { kind: "web_search_call"; query: string };

export interface StreamPlan {
  name: string;
  items: readonly ItemPlan[];
  /** Set if the answer is incomplete. */
  incompleteReason?: string;
  /** Whether deltas are padded, as OpenAI's are. */
  obfuscation?: boolean;
}

export interface ToolCall {
  call_id: string;
  name: string;
  arguments: string;
}

/** The content of a stream. */
export interface Truth {
  /** Undefined if it can't be derived. */
  status: string | undefined;
  /** The text of each message. */
  messages: { text: string; isCommentary: boolean }[];
  /** The text of the final answer, without commentary. */
  text: string;
  /** The text of all messages, as the SDKs compute `output_text`. */
  outputText: string;
  refusal: string;
  /** The parts of the reasoning summary, separated by blank lines. */
  reasoning: string;
  calls: ToolCall[];
}

export interface GoodStream {
  name: string;
  events: RelayEvent[];
  /** The complete response object, as the terminal event has it. */
  response: JsonObject;
  truth: Truth;
}

export const UPSTREAM_ID = "resp_relay_0a1b2c";
const CREATED_AT = 1_796_000_000;

/** Builds the stream of a plan: every event of OpenAI's lifecycle, numbered from 0. */
export function goodStream(plan: StreamPlan): GoodStream {
  const events: RelayEvent[] = [];
  const emit = (type: string, data: JsonObject): void => {
    events.push({ line: type, data: { type, sequence_number: events.length, ...data } });
  };
  const status = plan.incompleteReason === undefined ? "completed" : "incomplete";
  const items = plan.items.map((item, index) => finishedItem(item, index, status));
  const response = responseObject(plan, items, status);
  const inProgress = { ...response, status: "in_progress", output: [], usage: null, incomplete_details: null };
  emit("response.created", { response: inProgress });
  emit("response.in_progress", { response: inProgress });
  plan.items.forEach((item, output_index) => {
    const finished = items[output_index] ?? {};
    emit("response.output_item.added", { output_index, item: begunItem(finished) });
    emitInside(plan, item, { item_id: finished["id"], output_index }, emit);
    emit("response.output_item.done", { output_index, item: finished });
  });
  emit(`response.${status}`, { response });
  return { name: plan.name, events: structuredClone(events), response, truth: truthOf(plan, status) };
}

/** The JSON response to the same plan, for a call without `stream`. */
function responseObject(plan: StreamPlan, output: JsonObject[], status: string): JsonObject {
  return {
    id: UPSTREAM_ID,
    object: "response",
    created_at: CREATED_AT,
    status,
    error: null,
    incomplete_details: plan.incompleteReason === undefined ? null : { reason: plan.incompleteReason },
    model: "gpt-6-luna-2026-10-01",
    output,
    parallel_tool_calls: true,
    previous_response_id: null,
    tools: [],
    usage: {
      input_tokens: 11,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: 7,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: 18,
    },
    metadata: {},
  };
}

function finishedItem(plan: ItemPlan, index: number, status: string): JsonObject {
  switch (plan.kind) {
    case "message":
      return {
        id: `msg_${index}f000000000000000000`,
        type: "message",
        status,
        role: "assistant",
        ...(plan.phase === undefined ? {} : { phase: plan.phase }),
        content: plan.parts.map(finishedPart),
      };
    case "reasoning":
      return {
        id: `rs_${index}e`,
        type: "reasoning",
        summary: plan.summary.map((deltas) => ({ type: "summary_text", text: deltas.join("") })),
      };
    case "function_call":
      return {
        id: `fc_${index}d`,
        type: "function_call",
        status: "completed",
        call_id: `call_${index}c`,
        name: plan.name,
        arguments: plan.deltas.join(""),
      };
    case "custom_tool_call":
      return {
        id: `ctc_${index}b`,
        type: "custom_tool_call",
        status: "completed",
        call_id: `call_${index}c`,
        name: plan.name,
        input: plan.deltas.join(""),
      };
    case "web_search_call":
      return {
        id: `ws_${index}a`,
        type: "web_search_call",
        status: "completed",
        action: { type: "search", query: plan.query },
      };
    default:
      return plan satisfies never;
  }
}

function finishedPart(part: PartPlan): JsonObject {
  return part.kind === "refusal"
    ? { type: "refusal", refusal: part.deltas.join("") }
    : { type: "output_text", text: part.deltas.join(""), annotations: part.citations ?? [], logprobs: [] };
}

/** An item as its first event shows it. */
function begunItem(item: JsonObject): JsonObject {
  switch (item["type"]) {
    case "message":
      return { ...item, status: "in_progress", content: [] };
    case "reasoning":
      return { ...item, summary: [] };
    case "function_call":
      return { ...item, status: "in_progress", arguments: "" };
    case "custom_tool_call":
      return { ...item, status: "in_progress", input: "" };
    default:
      return { id: item["id"], type: item["type"], status: "in_progress" };
  }
}

type Emit = (type: string, data: JsonObject) => void;

function emitInside(plan: StreamPlan, item: ItemPlan, at: JsonObject, emit: Emit): void {
  const padding = plan.obfuscation === true ? { obfuscation: "mZhSFjZXJr0X" } : {};
  switch (item.kind) {
    case "message":
      item.parts.forEach((part, content_index) => emitPart(part, { ...at, content_index }, padding, emit));
      break;
    case "reasoning":
      item.summary.forEach((deltas, summary_index) => {
        const where = { ...at, summary_index };
        const text = deltas.join("");
        emit("response.reasoning_summary_part.added", { ...where, part: { type: "summary_text", text: "" } });
        for (const delta of deltas) emit("response.reasoning_summary_text.delta", { ...where, delta, ...padding });
        emit("response.reasoning_summary_text.done", { ...where, text });
        emit("response.reasoning_summary_part.done", { ...where, part: { type: "summary_text", text } });
      });
      break;
    case "function_call":
      for (const delta of item.deltas) emit("response.function_call_arguments.delta", { ...at, delta, ...padding });
      emit("response.function_call_arguments.done", { ...at, name: item.name, arguments: item.deltas.join("") });
      break;
    case "custom_tool_call":
      for (const delta of item.deltas) emit("response.custom_tool_call_input.delta", { ...at, delta, ...padding });
      emit("response.custom_tool_call_input.done", { ...at, input: item.deltas.join("") });
      break;
    case "web_search_call":
      for (const state of ["in_progress", "searching", "completed"]) emit(`response.web_search_call.${state}`, at);
      break;
    default:
      item satisfies never;
  }
}

function emitPart(part: PartPlan, at: JsonObject, padding: JsonObject, emit: Emit): void {
  const finished = finishedPart(part);
  if (part.kind === "refusal") {
    emit("response.content_part.added", { ...at, part: { type: "refusal", refusal: "" } });
    for (const delta of part.deltas) emit("response.refusal.delta", { ...at, delta, ...padding });
    emit("response.refusal.done", { ...at, refusal: finished["refusal"] });
  } else {
    emit("response.content_part.added", { ...at, part: { ...finished, text: "", annotations: [] } });
    for (const delta of part.deltas) emit("response.output_text.delta", { ...at, delta, logprobs: [], ...padding });
    (part.citations ?? []).forEach((annotation, annotation_index) => {
      emit("response.output_text.annotation.added", { ...at, annotation_index, annotation });
    });
    emit("response.output_text.done", { ...at, text: finished["text"], logprobs: [] });
  }
  emit("response.content_part.done", { ...at, part: finished });
}

function truthOf({ items }: StreamPlan, status: string): Truth {
  const truth: Truth = { status, messages: [], text: "", outputText: "", refusal: "", reasoning: "", calls: [] };
  const summaries: string[] = [];
  items.forEach((item, index) => {
    if (item.kind === "reasoning") summaries.push(...item.summary.map((deltas) => deltas.join("")));
    if (item.kind === "function_call" || item.kind === "custom_tool_call")
      truth.calls.push({ call_id: `call_${index}c`, name: item.name, arguments: item.deltas.join("") });
    if (item.kind !== "message") return;
    const isAnswer = item.phase !== "commentary";
    const texts = item.parts.filter(({ kind }) => kind === "text").flatMap((part) => part.deltas);
    truth.messages.push({ text: texts.join(""), isCommentary: !isAnswer });
    for (const part of item.parts) {
      const text = part.deltas.join("");
      if (part.kind === "text") truth.outputText += text;
      if (isAnswer && part.kind === "text") truth.text += text;
      if (isAnswer && part.kind === "refusal") truth.refusal += text;
    }
  });
  truth.reasoning = summaries.filter((part) => part !== "").join("\n\n");
  return truth;
}

const text = (...deltas: string[]): PartPlan => ({ kind: "text", deltas });
const message = (...parts: PartPlan[]): ItemPlan => ({ kind: "message", parts });
const call = (name: string, ...deltas: string[]): ItemPlan => ({ kind: "function_call", name, deltas });

/** The fixed set. No two texts of a stream are equal, so that a text in the wrong place is noticed. */
export const PLANS: readonly StreamPlan[] = [
  { name: "one delta", items: [message(text("Hello."))] },
  { name: "three deltas", items: [message(text("Hel", "lo, ", "world."))], obfuscation: true },
  {
    name: "emoji, escapes and empty deltas",
    items: [message(text('Grüße 😀 "', "", '\\path\n\t"', "你好 \u2028", "👩‍👩‍👧!"))],
  },
  { name: "a pair of surrogates in two deltas", items: [message(text("Hi \ud83d", "\ude00", " there"))] },
  { name: "equal deltas", items: [message(text("ha", "ha", "ha"))] },
  { name: "two parts", items: [message(text("One", " two. "), text("Three", " four."))] },
  { name: "two messages", items: [message(text("One", " two. ")), message(text("Three", " four."))] },
  { name: "a refusal", items: [message({ kind: "refusal", deltas: ["I can't ", "help with that."] })] },
  {
    name: "text, then a refusal",
    items: [message(text("First ", "this. "), { kind: "refusal", deltas: ["Not ", "that."] })],
  },
  {
    name: "reasoning, then a message",
    items: [{ kind: "reasoning", summary: [["Think", "ing."], ["Deciding."]] }, message(text("The answer", " is 42."))],
  },
  { name: "one call", items: [call("get_weather", '{"city":', '"Oslo"}')] },
  {
    name: "parallel calls",
    items: [
      call("get_weather", '{"city":"Oslo"}'),
      call("get_time", "{", "}"),
      call("get_weather", '{"city":', '"Rome"}'),
    ],
  },
  { name: "a custom tool's call", items: [{ kind: "custom_tool_call", name: "shell", deltas: ["ls ", "-la"] }] },
  { name: "a message, then a call", items: [message(text("Let me ", "look.")), call("look_up", '{"q":', '"x"}')] },
  {
    name: "reasoning, then a call",
    items: [{ kind: "reasoning", summary: [] }, call("get_weather", '{"city":', '"Oslo"}')],
  },
  {
    name: "commentary, then the answer",
    items: [
      { kind: "message", phase: "commentary", parts: [text("Let me ", "see.")] },
      { kind: "message", phase: "final_answer", parts: [text("It is ", "done.")] },
    ],
  },
  {
    name: "a web search with citations",
    items: [
      { kind: "web_search_call", query: "weather in Oslo" },
      message({
        kind: "text",
        deltas: ["It rains ", "(yr.no)."],
        citations: [{ type: "url_citation", start_index: 9, end_index: 16, url: "https://yr.no/oslo", title: "Oslo" }],
      }),
    ],
  },
  { name: "an incomplete answer", items: [message(text("This was ", "cut"))], incompleteReason: "max_output_tokens" },
  { name: "no output", items: [], incompleteReason: "max_output_tokens" },
];

const deltas = fc.array(fc.string({ unit: "grapheme", maxLength: 6 }), { minLength: 1, maxLength: 5 });
const visibleDeltas = deltas.filter((pieces) => pieces.join("") !== "");
const argumentDeltas = fc
  .tuple(fc.dictionary(fc.string({ maxLength: 4 }), fc.jsonValue({ maxDepth: 1 }), { maxKeys: 3 }), fc.nat(40))
  .map(([value, at]) => {
    const json = JSON.stringify(value);
    return [json.slice(0, at), json.slice(at)].filter((piece) => piece !== "");
  });
const partPlan: fc.Arbitrary<PartPlan> = fc.oneof(
  { weight: 4, arbitrary: visibleDeltas.map((pieces): PartPlan => ({ kind: "text", deltas: pieces })) },
  { weight: 1, arbitrary: visibleDeltas.map((pieces): PartPlan => ({ kind: "refusal", deltas: pieces })) },
);
const itemPlan: fc.Arbitrary<ItemPlan> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .array(partPlan, { minLength: 1, maxLength: 2 })
      .map((parts): ItemPlan => ({ kind: "message", parts })),
  },
  {
    weight: 1,
    arbitrary: fc.array(visibleDeltas, { maxLength: 2 }).map((summary): ItemPlan => ({ kind: "reasoning", summary })),
  },
  {
    weight: 2,
    arbitrary: argumentDeltas.map((pieces): ItemPlan => ({ kind: "function_call", name: "f", deltas: pieces })),
  },
  {
    weight: 1,
    arbitrary: visibleDeltas.map((pieces): ItemPlan => ({ kind: "custom_tool_call", name: "g", deltas: pieces })),
  },
  { weight: 1, arbitrary: fc.constant<ItemPlan>({ kind: "web_search_call", query: "q" }) },
  {
    weight: 1,
    arbitrary: visibleDeltas.map((pieces): ItemPlan => ({
      kind: "message",
      phase: "commentary",
      parts: [{ kind: "text", deltas: pieces }],
    })),
  },
);

/** Good streams of one to four items, named by their content. */
export const plans: fc.Arbitrary<StreamPlan> = fc
  .record(
    {
      items: fc.array(itemPlan, { minLength: 1, maxLength: 4 }),
      incompleteReason: fc.constantFrom("max_output_tokens", "content_filter"),
      obfuscation: fc.boolean(),
    },
    { requiredKeys: ["items"] },
  )
  .map((plan) => ({ name: JSON.stringify(plan.items), ...plan }));
