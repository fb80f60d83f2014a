// Judges what the app makes of one upstream stream: every form of the answer is well-formed, all forms agree, nothing false is sent or
// stored, and a failure is reported as one. A judgment is a list of faults, each a short sentence.
import { createParser } from "eventsource-parser";
import OpenAI from "openai";
import type { RelayGateway } from "./relay-gateway.ts";
import type { JsonObject, ToolCall, Truth } from "./relay-streams.ts";

/** The content of one form of the answer. */
export interface Content {
  status: string | undefined;
  /** The final answer's text on /ask, the text of all messages on /v1/responses. */
  text: string;
  /** On /v1/responses, the texts and refusals of all messages in their order. */
  shown?: string;
  refusal: string;
  reasoning: string;
  calls: ToolCall[];
}

/** An answer, or an error by its code. `hasBegun`: the error ended a stream that had begun, so the call may have been paid. */
export type Outcome = { id: string; content: Content } | { error: string; hasBegun: boolean };

export interface Judgment {
  /** `answer` if both routes answer, else an error's code. */
  outcome: string;
  faults: string[];
}

export interface JudgeOptions {
  /** Also the forms behind an Idempotency-Key, by id, from the cache, and in a follow-up. */
  everyForm?: boolean;
  /**
   * Whether the messages must come in their order and the summary must be whole. Not so if events were moved or renamed: the message that is
   * finished first then comes first, and a summary that comes after the end of its item is lost.
   */
  isStrict?: boolean;
}

const INPUT = "What is it?";
/** How many keys and inputs were used. */
let keys = 0;

/**
 * Judges the answers to a script of the gateway's upstream.
 * @param truth what upstream sends; undefined if only agreement is judged
 */
export async function judge(
  gateway: RelayGateway,
  truth: Truth | undefined,
  { everyForm = false, isStrict = true }: JudgeOptions = {},
): Promise<Judgment> {
  gateway.kv.clear();
  gateway.calls.length = 0;
  const faults: string[] = [];
  const outcomes = new Map<string, Outcome>();
  const add = (form: string, { outcome, faults: found }: { outcome: Outcome; faults: string[] }): Outcome => {
    outcomes.set(form, outcome);
    for (const fault of found) faults.push(`${form}: ${fault}`);
    return outcome;
  };
  const responses = (headers = {}, fields = {}): Promise<Response> =>
    gateway.fetch("/v1/responses", { body: { input: INPUT, ...fields }, headers });
  const ask = (headers = {}, fields = {}): Promise<Response> =>
    gateway.fetch("/ask", { body: { input: INPUT, ...fields }, headers });

  const events = add("/v1 events", await readResponsesStream(await responses({}, { stream: true })));
  const askEvents = add("/ask events", await readAskStream(await ask({}, { stream: true })));
  await gateway.settled();
  faults.push(...keptOfErrors(gateway.kv, outcomes));

  if (everyForm) {
    const key = { "idempotency-key": `responses-${(keys += 1)}` };
    const otherKey = { "idempotency-key": `ask-${keys}` };
    add("/v1 events by key", await readResponsesStream(await responses(key, { stream: true })));
    add("/v1 JSON by key", await readObject(await responses(key)));
    add("/v1 events by key again", await readResponsesStream(await responses(key, { stream: true })));
    add("/ask JSON by key", await readAnswer(await ask(otherKey, { cache: false })));
    add("/ask events by key", await readAskStream(await ask(otherKey, { cache: false, stream: true })));
    await gateway.settled();
    faults.push(...keptOfErrors(gateway.kv, outcomes));
    // Two calls without a key, and one for each key.
    const isPaid = !("error" in events && !events.hasBegun) && !("error" in askEvents && !askEvents.hasBegun);
    if (isPaid && gateway.calls.length !== 4) faults.push(`upstream was called ${gateway.calls.length} times`);
    const plain = await readBody(await ask({ accept: "text/plain" }, { cache: false, stream: true }));
    await gateway.settled();
    if (
      "error" in askEvents
        ? !plain.isBroken && !plain.text.startsWith("{")
        : plain.text !== (askEvents.content.text || askEvents.content.refusal)
    )
      faults.push(`/ask as text: ${JSON.stringify(plain.text)}`);
    for (const first of [events, askEvents]) {
      if ("error" in first) continue;
      add("/v1 by id", await readObject(await gateway.fetch(`/v1/responses/${first.id}`)));
      add("/v1 events by id", await readResponsesStream(await gateway.fetch(`/v1/responses/${first.id}?stream=true`)));
      add("/ask by id", await readAnswer(await gateway.fetch(`/ask/${first.id}`)));
    }
    if (!("error" in askEvents)) {
      if (gateway.kv.size === 0) faults.push("nothing was kept");
      if ([...gateway.kv.keys()].some((name) => name.startsWith("answer:")))
        add("/ask from the cache", await readAskStream(await ask({}, { stream: true })));
      await ask({}, { previous_response_id: askEvents.id });
      await gateway.settled();
      const input = gateway.calls.at(-1)?.["input"];
      const replayed = { output: Array.isArray(input) ? input.slice(1, -1) : [] };
      outcomes.set("/v1 replayed", {
        id: askEvents.id,
        content: { ...contentOfResponse(replayed), status: "", reasoning: "" },
      });
    }
  }

  // /ask sends no deltas of arguments, so it may answer where /v1 has sent a delta that was wrong.
  for (const route of ["/v1", "/ask"]) {
    const ofRoute = [...outcomes].filter(([form]) => form.startsWith(route) && !/ by id| replayed| cache/.test(form));
    if (new Set(ofRoute.map(([, one]) => resultOf(one))).size > 1)
      faults.push(`the forms disagree: ${ofRoute.map(([form, one]) => `${form} ${briefly(one)}`).join(", ")}`);
  }
  for (const [form, outcome] of outcomes) {
    if ("error" in outcome) continue;
    const found = differences(outcome.content, agreementFor(form, outcomes));
    if (truth !== undefined && found.length === 0)
      found.push(...differences(inAnyOrder(outcome.content), truthFor(form, truth, outcome.content, isStrict)));
    for (const fault of found) faults.push(`${form}: ${fault}`);
  }
  return { outcome: resultOf(events) === "answer" ? resultOf(askEvents) : resultOf(events), faults };
}

/** Turns and cached answers in KV that belong to none of the answers. */
function keptOfErrors(kv: Map<string, string>, outcomes: Map<string, Outcome>): string[] {
  const answers = [...outcomes].filter(([, one]) => !("error" in one)) as [string, { id: string }][];
  const hasAsked = answers.some(([form]) => form.startsWith("/ask"));
  return [...kv.keys()]
    .filter((name) => {
      if (name.startsWith("turn:")) return !answers.some(([, { id }]) => name.endsWith(id));
      return name.startsWith("answer:") && !hasAsked;
    })
    .map((name) => `of an error was kept: ${name}`);
}

const resultOf = (outcome: Outcome): string => ("error" in outcome ? outcome.error : "answer");
const briefly = (outcome: Outcome): string =>
  "error" in outcome ? outcome.error : JSON.stringify(outcome.content.text);

/** The content of the first form of the same route; for the first form of /ask, that of /v1, without its text, which includes commentary. */
function agreementFor(form: string, outcomes: Map<string, Outcome>): Partial<Content> {
  const first = outcomes.get(form.startsWith("/ask") && form !== "/ask events" ? "/ask events" : "/v1 events");
  if (first === undefined || "error" in first) return {};
  const { content } = first;
  if (form === "/v1 replayed") {
    const stored = outcomes.get("/v1 by id");
    return stored === undefined || "error" in stored
      ? {}
      : { shown: stored.content.shown ?? "", calls: stored.content.calls };
  }
  return form === "/ask events"
    ? { refusal: content.refusal, reasoning: content.reasoning, calls: content.calls }
    : content;
}

/**
 * The content that a form must have. Parallel calls and parts of a summary may come in any order. Commentary that is not marked as such
 * before its text counts as the answer.
 */
function truthFor(form: string, truth: Truth, actual: Content, isStrict: boolean): Partial<Content> {
  const { status, refusal, calls, messages } = truth;
  const mayLeaveOut = form.startsWith("/ask");
  const text = isTextOf(actual.text, messages, mayLeaveOut, isStrict) ? actual.text : truth.outputText;
  const parts = truth.reasoning.split("\n\n");
  const isPartial = actual.reasoning === "" || actual.reasoning.split("\n\n").every((part) => parts.includes(part));
  const reasoning = !isStrict && isPartial ? actual.reasoning : truth.reasoning;
  const content = inAnyOrder({ status, text, refusal, reasoning, calls });
  return form === "/v1 replayed" ? { calls: content.calls } : content;
}

/** Whether a text consists of all messages. @param mayLeaveOut whether it may be without any of the commentary */
export function isTextOf(text: string, messages: Truth["messages"], mayLeaveOut: boolean, isInOrder: boolean): boolean {
  if (messages.length === 0) return text === "";
  return messages.slice(0, isInOrder ? 1 : undefined).some(({ text: beginning, isCommentary }, at) => {
    const rest = messages.toSpliced(at, 1);
    if (text.startsWith(beginning) && isTextOf(text.slice(beginning.length), rest, mayLeaveOut, isInOrder)) return true;
    return mayLeaveOut && isCommentary && isTextOf(text, rest, mayLeaveOut, isInOrder);
  });
}

function inAnyOrder(content: Content): Content {
  return {
    ...content,
    reasoning: content.reasoning.split("\n\n").toSorted().join("\n\n"),
    calls: content.calls.toSorted((a, b) => a.call_id.localeCompare(b.call_id)),
  };
}

function differences(content: Content, reference: Partial<Content>): string[] {
  return (["status", "text", "shown", "refusal", "reasoning", "calls"] as const).flatMap((key) => {
    const [actual, expected] = [JSON.stringify(content[key]), JSON.stringify(reference[key])];
    return expected === undefined || actual === expected ? [] : [`${key} is ${actual} instead of ${expected}`];
  });
}

/** The body of a response, as far as it came. */
async function readBody(response: Response): Promise<{ text: string; isBroken: boolean }> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });
  let text = "";
  try {
    for await (const bytes of response.body ?? []) text += decoder.decode(bytes, { stream: true });
    return { text: text + decoder.decode(), isBroken: false };
  } catch {
    return { text, isBroken: true };
  }
}

interface Read {
  outcome: Outcome;
  faults: string[];
}

function readErrorBody(status: number, text: string): Read {
  const body = parse(text);
  const error = recordOf(recordOf(body)["error"]);
  const code = codeOf(error);
  return {
    outcome: { error: code, hasBegun: false },
    faults: code === "" ? [`HTTP ${status} without an error's code`] : [],
  };
}

/** Our own code: on /v1 it may stand beside OpenAI's. */
const codeOf = (error: JsonObject): string => String(error["detail_code"] ?? error["code"] ?? "");

async function readAnswer(response: Response): Promise<Read> {
  const text = await response.text();
  if (!response.ok) return readErrorBody(response.status, text);
  return { outcome: outcomeOfAnswer(recordOf(parse(text))), faults: [] };
}

function outcomeOfAnswer(answer: JsonObject): { id: string; content: Content } {
  const calls = recordsOf(answer["tool_calls"]).map((call) => call as unknown as ToolCall);
  const content = {
    status: String(answer["status"]),
    text: String(answer["text"]),
    refusal: String(answer["refusal"] ?? ""),
    reasoning: String(answer["reasoning_summary"] ?? ""),
    calls: calls.map(({ call_id, name, arguments: text }) => ({ call_id, name, arguments: text })),
  };
  return { id: String(answer["id"]), content };
}

async function readAskStream(response: Response): Promise<Read> {
  const { text, isBroken } = await readBody(response);
  if (!response.ok) return readErrorBody(response.status, text);
  const faults: string[] = [];
  const events = parseEvents(text);
  const joined = (name: string): string =>
    events.map(({ event, data }) => (event === name ? String(data["delta"]) : "")).join("");
  if (isBroken) faults.push("the connection broke");
  if (events.filter(({ event }) => event === "start").length !== 1) faults.push("not one start");
  const last = events.at(-1);
  if (events.filter(({ event }) => event === "done" || event === "error").length !== 1) faults.push("not one end");
  if (last?.event === "error")
    return { outcome: { error: codeOf(recordOf(last.data["error"])), hasBegun: true }, faults };
  if (last?.event !== "done")
    return { outcome: { error: "no end", hasBegun: true }, faults: [...faults, "no done and no error"] };
  const outcome = outcomeOfAnswer(last.data);
  const { content } = outcome;
  for (const [name, expected] of [
    ["text", content.text],
    ["refusal", content.refusal],
    ["reasoning", content.reasoning],
  ] as const) {
    if (joined(name) !== expected)
      faults.push(`the ${name} deltas join to ${JSON.stringify(joined(name))}, done has ${JSON.stringify(expected)}`);
  }
  const calls = events.flatMap(({ event, data }) => (event === "tool_call" ? [data as unknown as ToolCall] : []));
  if (JSON.stringify(calls) !== JSON.stringify(content.calls))
    faults.push(`tool_call events are ${JSON.stringify(calls)}, done has ${JSON.stringify(content.calls)}`);
  return { outcome, faults };
}

async function readObject(response: Response): Promise<Read> {
  const text = await response.text();
  if (!response.ok) return readErrorBody(response.status, text);
  const object = recordOf(parse(text));
  return { outcome: { id: String(object["id"]), content: contentOfResponse(object) }, faults: objectFaults(object) };
}

/** The content of a response object, read from its items alone. */
export function contentOfResponse(object: JsonObject): Content {
  const content = {
    status: String(object["status"]),
    text: "",
    shown: "",
    refusal: "",
    reasoning: "",
    calls: [] as ToolCall[],
  };
  const summaries: string[] = [];
  for (const item of recordsOf(object["output"])) {
    if (item["type"] === "message") {
      if (typeof item["content"] === "string") content.shown += item["content"];
      for (const part of recordsOf(item["content"])) {
        content.shown += String(part["text"] ?? part["refusal"] ?? "");
        if (part["type"] === "output_text") content.text += String(part["text"]);
        if (part["type"] === "refusal" && item["phase"] !== "commentary") content.refusal += String(part["refusal"]);
      }
    }
    if (item["type"] === "reasoning")
      summaries.push(
        ...recordsOf(item["summary"])
          .map((part) => String(part["text"]))
          .filter((part) => part !== ""),
      );
    if (item["type"] === "function_call" || item["type"] === "custom_tool_call") {
      const text = item["type"] === "function_call" ? item["arguments"] : item["input"];
      content.calls.push({ call_id: String(item["call_id"]), name: String(item["name"]), arguments: String(text) });
    }
  }
  content.reasoning = summaries.join("\n\n");
  return content;
}

/** What clients need of a complete object and its items. */
function objectFaults(object: JsonObject): string[] {
  const faults: string[] = [];
  if (typeof object["id"] !== "string" || object["id"] === "") faults.push("no id");
  if (object["object"] !== "response") faults.push("object is not response");
  const createdAt = object["created_at"];
  if (typeof createdAt !== "number" || createdAt > 10_000_000_000) faults.push(`created_at is ${String(createdAt)}`);
  if (!["completed", "incomplete", "failed", "cancelled"].includes(String(object["status"])))
    faults.push(`status is ${String(object["status"])}`);
  const ids = new Set<unknown>();
  for (const [at, item] of recordsOf(object["output"]).entries()) {
    for (const fault of itemFaults(item)) faults.push(`output.${at}: ${fault}`);
    if (item["status"] === "in_progress") faults.push(`output.${at} is in progress`);
    if (ids.has(item["id"])) faults.push(`output.${at}: its id is another item's`);
    ids.add(item["id"]);
  }
  return faults;
}

function itemFaults(item: JsonObject): string[] {
  const faults: string[] = [];
  const type = item["type"];
  if (typeof item["id"] !== "string" || item["id"] === "") faults.push("no id");
  if (typeof type !== "string" || type === "") faults.push("no type");
  if (type !== "reasoning" && typeof item["status"] !== "string") faults.push("no status");
  if (type === "message") {
    if (item["role"] !== "assistant") faults.push(`role is ${String(item["role"])}`);
    if (!Array.isArray(item["content"])) faults.push("content is no list");
    for (const part of recordsOf(item["content"])) for (const fault of partFaults(part)) faults.push(fault);
  }
  if (type === "function_call" || type === "custom_tool_call") {
    for (const key of ["call_id", "name", type === "function_call" ? "arguments" : "input"])
      if (typeof item[key] !== "string") faults.push(`${key} is no text`);
    if (item["call_id"] === "" || item["name"] === "") faults.push("no call_id or no name");
  }
  if (type === "reasoning" && !Array.isArray(item["summary"])) faults.push("summary is no list");
  return faults;
}

function partFaults(part: JsonObject): string[] {
  if (part["type"] === "refusal") return typeof part["refusal"] === "string" ? [] : ["refusal is no text"];
  if (part["type"] !== "output_text") return [`a part of type ${String(part["type"])}`];
  return [
    ...(typeof part["text"] === "string" ? [] : ["a part's text is no text"]),
    ...(Array.isArray(part["annotations"]) ? [] : ["a part without annotations"]),
  ];
}

/** Reads and judges a stream of /v1/responses. */
export async function readResponsesStream(response: Response): Promise<Read> {
  const { text, isBroken } = await readBody(response);
  if (!response.ok) return readErrorBody(response.status, text);
  const events = parseEvents(text);
  const outcome = outcomeOfEvents(events);
  const faults = "error" in outcome ? failureFaults(events, isBroken) : streamFaults(events, text, isBroken);
  const read = await runSdk(text, isBroken);
  if ("error" in outcome && read.error === undefined) faults.push("the openai SDK does not see the error");
  if (!("error" in outcome)) {
    if (read.error !== undefined) faults.push(`the openai SDK refuses it: ${read.error}`);
    else if (JSON.stringify(contentOfResponse(recordOf(read.response))) !== JSON.stringify(outcome.content))
      faults.push("the openai SDK reads another answer");
    else if (recordOf(read.response)["output_text"] !== outcome.content.text)
      faults.push(`output_text is ${JSON.stringify(recordOf(read.response)["output_text"])}`);
  }
  return { outcome, faults };
}

function outcomeOfEvents(events: readonly SentEvent[]): Outcome {
  const error = events.find(({ data }) => data["type"] === "error");
  if (error !== undefined) return { error: codeOf(recordOf(error.data["error"])), hasBegun: true };
  const object = recordOf(events.findLast(({ data }) => "response" in data)?.data["response"]);
  return { id: String(object["id"]), content: contentOfResponse(object) };
}

/** A stream that breaks contains `error`, then `response.failed`, and does not end cleanly. */
function failureFaults(events: readonly SentEvent[], isBroken: boolean): string[] {
  const faults: string[] = [...numberFaults(events)];
  const at = events.findIndex(({ data }) => data["type"] === "error");
  const rest = events.slice(at + 1).map(({ data }) => data["type"]);
  if (rest.join() !== "response.failed") faults.push(`after the error: ${rest.join() || "nothing"}`);
  const failed = recordOf(events.at(-1)?.data["response"]);
  if (rest.join() === "response.failed" && failed["status"] !== "failed")
    faults.push("response.failed without its status");
  if (!isBroken) faults.push("an error with a clean end");
  const sent = new Map<string, string>();
  for (const { data } of events) {
    if (data["type"] !== "response.output_text.delta") continue;
    const part = `${String(data["output_index"])}/${String(data["content_index"])}`;
    sent.set(part, (sent.get(part) ?? "") + String(data["delta"]));
  }
  for (const [part, text] of sent) {
    const [item = 0, content = 0] = part.split("/").map(Number);
    const failedText = textsOf(recordsOf(failed["output"])[item] ?? {})[content] ?? "";
    if (!failedText.startsWith(text)) faults.push(`part ${part} of response.failed lacks ${JSON.stringify(text)}`);
  }
  return faults;
}

function numberFaults(events: readonly SentEvent[]): string[] {
  const faults: string[] = [];
  const numbers = events.map(({ data }) => data["sequence_number"]);
  if (numbers.some((number, at) => number !== at)) faults.push(`the numbers are ${numbers.join()}`);
  const ids = new Set(
    events.flatMap(({ data }) => [
      ...("response" in data ? [recordOf(data["response"])["id"]] : []),
      ...("response_id" in data ? [data["response_id"]] : []),
    ]),
  );
  if (ids.size > 1) faults.push(`${ids.size} response ids`);
  return faults;
}

const DELTA_OF: Readonly<Record<string, [done: string, key: string]>> = {
  "response.output_text.delta": ["response.output_text.done", "text"],
  "response.refusal.delta": ["response.refusal.done", "refusal"],
  "response.function_call_arguments.delta": ["response.function_call_arguments.done", "arguments"],
  "response.custom_tool_call_input.delta": ["response.custom_tool_call_input.done", "input"],
  "response.reasoning_summary_text.delta": ["response.reasoning_summary_text.done", "text"],
};

/** The lifecycle that OpenAI documents: each item is added, filled and done, and all texts of a part agree. */
function streamFaults(events: readonly SentEvent[], text: string, isBroken: boolean): string[] {
  const faults = numberFaults(events);
  if (isBroken) faults.push("the connection broke without an error");
  if (!text.trimEnd().endsWith("data: [DONE]")) faults.push("no [DONE]");
  const types = events.map(({ data }) => String(data["type"]));
  if (types[0] !== "response.created") faults.push(`begins with ${types[0]}`);
  if (types.filter((type) => type === "response.created").length > 1) faults.push("created twice");
  const terminal = events.at(-1)?.data ?? {};
  if (!/^response\.(?:completed|incomplete)$/.test(String(terminal["type"])))
    faults.push(`ends with ${String(terminal["type"])}`);
  const response = recordOf(terminal["response"]);
  if (`response.${String(response["status"])}` !== terminal["type"])
    faults.push(`${String(terminal["type"])} has status ${String(response["status"])}`);
  faults.push(...objectFaults(response));
  const output = recordsOf(response["output"]);
  const items = new Map<unknown, { item: JsonObject; isDone: boolean }>();
  const parts = new Map<string, { text: string; done?: unknown }>();
  for (const { data } of events) {
    const type = String(data["type"]);
    if (!type.startsWith("response.")) {
      faults.push(`an event of type ${type}`);
      continue;
    }
    const index = data["output_index"];
    if (type === "response.output_item.added") {
      if (index !== items.size) faults.push(`item ${String(index)} is added as number ${items.size}`);
      items.set(index, { item: recordOf(data["item"]), isDone: false });
      for (const fault of itemFaults(recordOf(data["item"]))) faults.push(`added: ${fault}`);
      continue;
    }
    if (index === undefined && data["item_id"] === undefined) continue;
    const open = items.get(index);
    if (open === undefined) {
      faults.push(`${type} of item ${String(index)}, which was not added`);
      continue;
    }
    if (open.isDone) faults.push(`${type} of item ${String(index)} after its end`);
    if (type === "response.output_item.done") {
      open.isDone = true;
      const final = output[Number(index)] ?? {};
      const item = recordOf(data["item"]);
      for (const fault of itemFaults(item)) faults.push(`done: ${fault}`);
      for (const key of ["id", "type", "call_id", "name"])
        if (item[key] !== final[key] || item[key] !== open.item[key])
          faults.push(`the ${key} of item ${String(index)} changes`);
      if (JSON.stringify(contentOf(item)) !== JSON.stringify(contentOf(final)))
        faults.push(
          `item ${String(index)} is ${JSON.stringify(contentOf(item))}, at the end ${JSON.stringify(contentOf(final))}`,
        );
      continue;
    }
    if (data["item_id"] !== open.item["id"]) faults.push(`${type} has item_id ${String(data["item_id"])}`);
    const isSummary = type.startsWith("response.reasoning_summary");
    const where = `${String(index)}/${String(data[isSummary ? "summary_index" : "content_index"] ?? "-")}`;
    const delta = DELTA_OF[type];
    if (delta !== undefined) {
      const key = `${delta[0]} ${where}`;
      const part = parts.get(key) ?? { text: "" };
      if (typeof data["delta"] !== "string") faults.push(`${type} without a text`);
      if (part.done !== undefined) faults.push(`${type} after its done`);
      part.text += String(data["delta"]);
      parts.set(key, part);
    }
    const done = Object.values(DELTA_OF).find(([name]) => name === type);
    if (done !== undefined) {
      const part = parts.get(`${type} ${where}`) ?? { text: "" };
      if (part.done !== undefined) faults.push(`${type} twice`);
      part.done = data[done[1]];
      parts.set(`${type} ${where}`, part);
    }
  }
  for (const [key, part] of parts) {
    if (part.done !== part.text)
      faults.push(`deltas of ${key} join to ${JSON.stringify(part.text)}, done has ${JSON.stringify(part.done)}`);
    if (!textsOf(output[Number(key.split(" ")[1]?.split("/")[0])] ?? {}).includes(part.text))
      faults.push(`the final item lacks the text of ${key}, ${JSON.stringify(part.text)}`);
  }
  for (const [at, item] of output.entries()) {
    if (items.get(at)?.isDone !== true) faults.push(`item ${at} (${String(item["type"])}) was not added and done`);
    const streamed = [...parts].filter(([key]) => key.split(" ")[1]?.startsWith(`${at}/`)).map(([, part]) => part.text);
    if (streamed.join("") !== textsOf(item).join("")) faults.push(`the deltas of item ${at} are not its text`);
  }
  if (items.size !== output.length) faults.push(`${items.size} items were added, ${output.length} are in the object`);
  return faults;
}

/** The texts of an item, part by part. */
function textsOf(item: JsonObject): string[] {
  switch (item["type"]) {
    case "message":
      return recordsOf(item["content"]).map((part) => String(part[part["type"] === "refusal" ? "refusal" : "text"]));
    case "reasoning":
      return recordsOf(item["summary"]).map((part) => String(part["text"]));
    case "function_call":
      return [String(item["arguments"])];
    case "custom_tool_call":
      return [String(item["input"])];
    default:
      return [];
  }
}

const contentOf = (item: JsonObject): JsonObject => ({ type: item["type"], texts: textsOf(item) });

interface SentEvent {
  event: string;
  data: JsonObject;
}

function parseEvents(text: string): SentEvent[] {
  const events: SentEvent[] = [];
  const parser = createParser({
    onEvent({ event, data }) {
      if (data !== "[DONE]") events.push({ event: event ?? "", data: recordOf(parse(data)) });
    },
  });
  parser.feed(text);
  return events;
}

/** The bodies of the streams that the SDK reads, by the input of its request. */
const bodies = new Map<string, BodyInit>();
const sdk = new OpenAI({
  apiKey: "sk-any",
  baseURL: "http://localhost/v1",
  maxRetries: 0,
  logLevel: "off",
  fetch: (_url, init) => {
    const { input } = parse(String(init?.body)) as { input: string };
    return Promise.resolve(
      new Response(bodies.get(input) ?? null, { headers: { "content-type": "text/event-stream" } }),
    );
  },
});

/** What the SDK's own stream helper makes of the bytes. */
async function runSdk(text: string, isBroken: boolean): Promise<{ response?: unknown; error?: string }> {
  const input = String((keys += 1));
  bodies.set(input, isBroken ? brokenBody(new TextEncoder().encode(text)) : text);
  try {
    return { response: await sdk.responses.stream({ model: "m", input }).finalResponse() };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  } finally {
    bodies.delete(input);
  }
}

function brokenBody(bytes: Uint8Array): ReadableStream<Uint8Array> {
  let isSent = false;
  return new ReadableStream(
    {
      pull(controller) {
        if (isSent) controller.error(new TypeError("terminated"));
        else controller.enqueue(bytes);
        isSent = true;
      },
    },
    { highWaterMark: 0 },
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const isRecord = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const recordOf = (value: unknown): JsonObject => (isRecord(value) ? value : {});
const recordsOf = (value: unknown): JsonObject[] => (Array.isArray(value) ? value.filter(isRecord) : []);
