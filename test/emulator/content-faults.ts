// Entries of the menu that change the model's output before it becomes a response.
import { type Draft, message, outputText, withText } from "./draft.ts";
import type { Hooks } from "./fault.ts";
import { newCallId, newChatId, newId } from "./ids.ts";
import { asObjects, asText, type JsonObject, without } from "./json.ts";
import { reasoningItem, reasons } from "./reasoning.ts";

const changeDraft = (draft: (draft: Draft, number: number) => Draft): Hooks => ({ draft });

export const refuses = changeDraft((draft) => ({
  ...draft,
  output: [message([{ type: "refusal", refusal: "I can't help with that." }])],
}));

export const filtered = changeDraft((draft) => {
  const half = withText(draft, (text) => text.slice(0, Math.ceil(text.length / 2)));
  return {
    ...half,
    status: "incomplete",
    incompleteReason: "content_filter",
    output: half.output.map((item) => ({ ...item, status: "incomplete" })),
  };
});

export const onlyReasons = changeDraft((draft) => ({
  ...draft,
  status: "incomplete",
  incompleteReason: "max_output_tokens",
  output: [{ id: newId("rs"), type: "reasoning", summary: [] }],
  reasoningTokens: 64,
}));

export const failedDraft =
  (code: string, text: string) =>
  (draft: Draft): Draft => ({
    ...draft,
    status: "failed",
    error: { code, message: text },
    output: [],
  });
export const fails = changeDraft(failedDraft("server_error", "The model failed to generate a response."));

export const longId = changeDraft((draft) => ({ ...draft, id: "resp_".padEnd(300, "0123456789") }));
export const uuidId = changeDraft((draft) => ({ ...draft, id: crypto.randomUUID() }));

export const commentaryFirst = changeDraft((draft) => ({
  ...draft,
  output: [message([outputText("Let me look at the conversation. ")], "commentary"), ...draft.output],
}));

export const EVERYTHING = {
  tool: "get_weather",
  arguments: '{"city":"Oslo","days":3}',
  summary: ["**Reading**\n\nThe user speaks.", "**Answering**\n\nI repeat 🙂 it."],
  page: { url: "https://example.com/first", title: "First Example" },
} as const;

/** Every kind of item that has events of its own, so that a fault of any event changes something. */
export const everything = changeDraft((draft) => ({
  ...draft,
  output: [
    reasoningItem(EVERYTHING.summary),
    { id: newId("ws"), type: "web_search_call", status: "completed", action: { type: "search", query: "weather" } },
    ...withText(draft, (text) => text).output.map((item) => ({
      ...item,
      content: asObjects(item["content"]).map((part) => ({
        ...part,
        annotations: [{ type: "url_citation", start_index: 0, end_index: 3, ...EVERYTHING.page }],
      })),
    })),
    {
      id: newId("fc"),
      type: "function_call",
      status: "completed",
      arguments: EVERYTHING.arguments,
      call_id: newCallId(),
      name: EVERYTHING.tool,
    },
  ],
  reasoningTokens: 16,
}));

export const reasonsAlways = changeDraft(reasons);

/** A remote tool that may run only once the caller agrees. A caller that has agreed gets the ordinary answer. */
export const asksApproval: Hooks = {
  draft: (draft, _number, items) =>
    items.some(({ type }) => type === "mcp_approval_response")
      ? draft
      : {
          ...draft,
          output: [
            {
              id: newId("mcpr"),
              type: "mcp_approval_request",
              server_label: "tracker",
              name: "close_issue",
              arguments: "{}",
            },
          ],
        },
};

export const BIG_INTEGER = "9223372036854775807";
/** Integers beyond 2^53 in a JSON answer and in the arguments of a call. */
export const bigIntegers: Hooks = {
  draft: (draft) => ({
    ...withText(draft, () => `{"id":${BIG_INTEGER}}`),
    output: [
      ...withText(draft, () => `{"id":${BIG_INTEGER}}`).output,
      {
        id: newId("fc"),
        type: "function_call",
        status: "completed",
        arguments: `{"id":${BIG_INTEGER}}`,
        call_id: newCallId(),
        name: EVERYTHING.tool,
      },
    ],
  }),
};

export const twoMessages = changeDraft((draft) => ({
  ...draft,
  output: [...draft.output, message([outputText(" And a second message.")])],
}));

export const manyWords = changeDraft((draft, count) =>
  withText(draft, () => Array.from({ length: count }, (_, index) => `word${index + 1}`).join(" ")),
);

/** One word of this many bytes: one delta, and a JSON body a little larger. */
export const manyBytes = changeDraft((draft, bytes) => withText(draft, () => "x".repeat(bytes)));

export const MULTI_BYTE_TEXT = " Ünïcödé: 你好，世界 🙂 👩‍👩‍👧 नमस्ते";
export const multiByte = (draft: Draft): Draft => withText(draft, (text) => text + MULTI_BYTE_TEXT);

/** Types, statuses and fields that don't exist yet. Readers must ignore them. */
export const unknownItems: Hooks = {
  draft: (draft) => ({
    ...draft,
    output: [
      { id: newId("holo"), type: "hologram", status: "projecting", payload: { beams: 3 } },
      ...draft.output.map((item) => ({
        ...item,
        ...(item["type"] === "message"
          ? { content: [{ type: "output_scent", scent: "rain" }, ...asObjects(item["content"])] }
          : {}),
        mood: "calm",
      })),
    ],
  }),
  response: (response) => ({ ...response, weather: { sky: "clear" } }),
  events: (events) =>
    events.flatMap((event): JsonObject[] =>
      event["type"] === "response.in_progress"
        ? [event, { type: "response.hologram.projecting", beams: 3 }, { type: "weather.changed" }]
        : [event],
    ),
};

/** A relay's conversion from chat completions: another kind of id, the chain silently ignored, function tools only, few keys. */
export const chatCompat: Hooks = {
  request: (body) => ({
    ...without(body, "previous_response_id"),
    tools: asObjects(body["tools"]).filter((tool) => tool["type"] === "function"),
    store: false,
  }),
  draft: (draft) => ({ ...draft, id: newChatId() }),
  response: (response) => chatResponse(response),
  events: (events) => events.map(chatEvent),
};

function chatResponse(response: JsonObject): JsonObject {
  const { id, created_at, model, object, status, output, usage } = response;
  const { input_tokens, output_tokens, total_tokens } = (usage ?? {}) as JsonObject;
  const done = status !== "in_progress";
  const result = {
    output: asObjects(output).map(chatItem),
    usage: {
      input_tokens: input_tokens ?? 0,
      output_tokens: output_tokens ?? 0,
      total_tokens: total_tokens ?? 0,
      output_tokens_details: null,
      input_tokens_details: { cached_tokens: 0 },
    },
  };
  const head = { id, created_at, model, object, text: { format: { type: "text" } }, status };
  return { ...head, ...(done ? result : {}) } as JsonObject;
}

const chatPart = ({ type, text }: JsonObject): JsonObject =>
  (text === undefined || text === "" ? { type } : { type, text }) as JsonObject;

function chatItem(item: JsonObject): JsonObject {
  if (item["type"] !== "message") return item;
  const { type, id, status, role, content } = item;
  return { type, id, status, role, content: asObjects(content).map(chatPart) } as JsonObject;
}

function chatEvent(event: JsonObject): JsonObject {
  const { response, item, part, ...rest } = without(without(event, "obfuscation"), "logprobs");
  const type = asText(event["type"]) ?? "";
  if (response) return { type, response: chatResponse(response as JsonObject) };
  if (item) {
    // The relay's converter omits the index in the events that add an item.
    const fields = type.endsWith(".added") ? { type } : rest;
    return { ...fields, item: chatItem(item as JsonObject) };
  }
  return part ? { ...rest, part: chatPart(part as JsonObject) } : rest;
}
