// Families of the menu that change the stream of an answer by one event or one field: left out, doubled, moved, renamed, emptied.
import { isDelta, isTerminal, responseIn } from "./events.ts";
import type { Hooks } from "./fault.ts";
import { changeItems, changeParts, changeResponse } from "./item-faults.ts";
import { asObject, asObjects, asText, type Json, type JsonObject, without } from "./json.ts";
import { isStream, step } from "./script.ts";

/** The events of OpenAI's streams, without `response.` in front. */
export const EVENTS = [
  "created",
  "in_progress",
  "output_item.added",
  "output_item.done",
  "content_part.added",
  "content_part.done",
  "output_text.delta",
  "output_text.done",
  "output_text.annotation.added",
  "refusal.delta",
  "refusal.done",
  "function_call_arguments.delta",
  "function_call_arguments.done",
  "reasoning_summary_part.added",
  "reasoning_summary_part.done",
  "reasoning_summary_text.delta",
  "reasoning_summary_text.done",
  "web_search_call.in_progress",
  "web_search_call.searching",
  "web_search_call.completed",
  "completed",
] as const;

const typeOf = (event: JsonObject): string => (asText(event["type"]) ?? "").replace(/^response\./, "");

const byEvent = (hooks: (name: string) => Hooks, names: readonly string[] = EVENTS): Record<string, Hooks> =>
  Object.fromEntries(names.map((name) => [name, hooks(name)]));

export const WITHOUT_EVENT = byEvent((name) => ({
  events: (events) => events.filter((event) => typeOf(event) !== name),
}));

export const DOUBLED_EVENT = byEvent((name) => ({
  events: (events) => events.flatMap((event) => (typeOf(event) === name ? [event, event] : [event])),
}));

/** Terminal events of other APIs. Any other event gets a name that no reader knows. */
const RENAMED: Record<string, string> = { completed: "response.done" };

export const RENAMED_EVENT = byEvent((name) => ({
  events: (events) =>
    events.map((event) => (typeOf(event) === name ? { ...event, type: RENAMED[name] ?? `relay.${name}` } : event)),
}));

/** Moves the events of a type, in their order. @param place the index before which to insert them, among the other events */
const moved = (name: string, place: (others: readonly JsonObject[]) => number): Hooks => ({
  events: (events) => {
    const others = events.filter((event) => typeOf(event) !== name);
    const at = place(others);
    return [...others.slice(0, at), ...events.filter((event) => typeOf(event) === name), ...others.slice(at)];
  },
});

export const EARLY_EVENT = byEvent((name) => moved(name, () => 1), EVENTS.slice(2));

export const LATE_EVENT = byEvent(
  (name) =>
    moved(name, (others) => {
      const end = others.findIndex(isTerminal);
      return end === -1 ? others.length : end;
    }),
  EVENTS.slice(0, -1),
);

const hollowPart = (part: JsonObject): JsonObject => ({
  ...part,
  ...("text" in part ? { text: "" } : {}),
  ...("refusal" in part ? { refusal: "" } : {}),
});

/** An item that is complete but empty. */
export const hollowItem = (item: JsonObject): JsonObject => ({
  ...item,
  ...("content" in item ? { content: [] } : {}),
  ...("summary" in item ? { summary: [] } : {}),
  ...("arguments" in item ? { arguments: "" } : {}),
});

function hollow(event: JsonObject): JsonObject {
  const [item, part, response] = [asObject(event["item"]), asObject(event["part"]), responseIn(event)];
  return {
    ...event,
    ...Object.fromEntries(
      ["delta", "text", "refusal", "arguments"].flatMap((key) => (key in event ? [[key, ""]] : [])),
    ),
    ...(item ? { item: hollowItem(item) } : {}),
    ...(part ? { part: hollowPart(part) } : {}),
    ...(response ? { response: { ...response, output: asObjects(response["output"]).map(hollowItem) } } : {}),
  };
}

const isHollowable = (name: string): boolean => /\.(?:delta|done)$|^completed$/.test(name);

export const HOLLOW_EVENT = byEvent(
  (name) => ({ events: (events) => events.map((event) => (typeOf(event) === name ? hollow(event) : event)) }),
  EVENTS.filter(isHollowable),
);

/** Every event that ends something is empty, so that only the deltas have content. */
export const allHollow: Hooks = {
  events: (events) =>
    events.map((event) => (typeOf(event).endsWith(".done") || isTerminal(event) ? hollow(event) : event)),
};

const EVENT_FIELDS = [
  "output_index",
  "content_index",
  "summary_index",
  "annotation_index",
  "item_id",
  "item",
  "part",
  "delta",
  "text",
  "refusal",
  "arguments",
  "annotation",
  "logprobs",
  "response",
] as const;
const RESPONSE_FIELDS = ["id", "object", "created_at", "status", "model", "output", "usage"] as const;
const ITEM_FIELDS = ["id", "type", "status", "role", "content", "summary", "call_id", "name", "arguments"] as const;
const PART_FIELDS = ["type", "text", "annotations", "logprobs"] as const;

/** By the field in the name after `without-field-` or `null-field-`: the events', `response.…`, `item.…` and `part.…`. */
const byField = (change: (object: JsonObject, field: string) => JsonObject): Record<string, Hooks> => {
  const changeIn = (field: string) => (object: JsonObject) => (field in object ? change(object, field) : object);
  const table = (prefix: string, fields: readonly string[], hooks: (field: string) => Hooks): [string, Hooks][] =>
    fields.map((field) => [`${prefix}${field}`, hooks(field)]);
  return Object.fromEntries([
    ...table("", EVENT_FIELDS, (field) => ({ events: (events) => events.map(changeIn(field)) })),
    ...table("response.", RESPONSE_FIELDS, (field) => changeResponse(changeIn(field))),
    ...table("item.", ITEM_FIELDS, (field) => changeItems(changeIn(field))),
    ...table("part.", PART_FIELDS, (field) => changeParts(changeIn(field))),
  ]);
};

/** The `event:` line still names the type. */
const withoutType: Hooks = {
  script: (script) =>
    isStream(script)
      ? {
          ...script,
          steps: [...script.steps].map((each) => {
            const [, head = "", data = "{}"] =
              /^(event: .*\n)?data: (.*)\n\n$/.exec(Buffer.from(each.bytes).toString()) ?? [];
            return {
              ...each,
              ...step(`${head}data: ${JSON.stringify(without(JSON.parse(data) as JsonObject, "type"))}\n\n`, 1),
            };
          }),
        }
      : script,
};

export const WITHOUT_FIELD: Record<string, Hooks> = { ...byField(without), type: withoutType };
export const NULL_FIELD: Record<string, Hooks> = byField((object, field) => ({ ...object, [field]: null }));

const changeEvents = (change: (event: JsonObject, at: number) => JsonObject): Hooks => ({
  events: (events) => events.map(change),
});

const withField = (event: JsonObject, field: string, value: Json): JsonObject =>
  field in event ? { ...event, [field]: value } : event;

const INDEXES = ["output_index", "content_index", "summary_index", "annotation_index"];

const changeIndexes = (change: (index: Json) => Json): Hooks =>
  changeEvents((event) =>
    Object.fromEntries(
      Object.entries(event).map(([name, value]) => [name, INDEXES.includes(name) ? change(value) : value]),
    ),
  );

export const noIndexes = changeEvents((event) => INDEXES.reduce((rest, index) => without(rest, index), event));
export const allIndex0 = changeIndexes(() => 0);
export const indexesAsTexts = changeIndexes(String);
/** Indexes that leave gaps, as where a relay has dropped items of its own. */
export const indexesWithGaps = changeEvents((event) =>
  "output_index" in event ? { ...event, output_index: 3 * Number(event["output_index"]) + 2 } : event,
);
export const noItemIds = changeEvents((event) => without(event, "item_id"));

/** Each event names its item by an id of its own, so that only the indexes identify the item. */
export const itemIdsChange: Hooks = changeEvents((event, at) => {
  const item = asObject(event["item"]);
  return {
    ...withField(event, "item_id", `msg_${at}`),
    ...(item ? { item: { ...item, id: `msg_${at}` } } : {}),
  };
});

/** Each piece is a well-formed JSON string, but holds half of a character. */
export const splitSurrogates: Hooks = {
  events: (events) =>
    events.flatMap((event) => {
      const delta = asText(event["delta"]);
      if (delta === undefined) return [event];
      return delta.split(/(?<=[\uD800-\uDBFF])/).map((piece) => ({ ...event, delta: piece }));
    }),
};

/** Items are whole where they begin, and nothing follows them. */
export const wholeAdded: Hooks = {
  events: (events) => {
    const items = new Map(
      events.flatMap((event): [Json, JsonObject][] => {
        const item = asObject(event["item"]);
        return item && typeOf(event) === "output_item.done" ? [[item["id"] ?? null, item]] : [];
      }),
    );
    return events
      .filter((event) => /^(?:created|in_progress|output_item\.added)$/.test(typeOf(event)) || isTerminal(event))
      .map((event) => {
        const whole = items.get(asObject(event["item"])?.["id"] ?? null);
        const response = responseIn(event);
        return {
          ...event,
          ...(whole ? { item: whole } : {}),
          ...(response ? { response: { ...response, output: [] } } : {}),
        };
      });
  },
};

/** No event begins or ends an item or a part, so all content is in the deltas. */
export const onlyDeltas: Hooks = {
  events: (events) =>
    events
      .filter((event) => isDelta(event) || typeOf(event) === "created" || isTerminal(event))
      .map((event) => (isTerminal(event) ? hollow(event) : event)),
};

/** Each delta contains the whole text so far. */
export const cumulativeDeltas: Hooks = {
  events: (events) => {
    const soFar = new Map<string, string>();
    return events.map((event) => {
      const delta = asText(event["delta"]);
      if (delta === undefined) return event;
      const key = `${String(event["type"])} ${String(event["item_id"])} ${String(event["summary_index"])}`;
      const text = (soFar.get(key) ?? "") + delta;
      soFar.set(key, text);
      return { ...event, delta: text };
    });
  },
};

/** Deltas are objects, as in other vendors' streams. */
export const deltasAsObjects: Hooks = {
  events: (events) =>
    events.map((event) =>
      "delta" in event ? { ...event, delta: { type: "text", text: event["delta"] ?? "" } } : event,
    ),
};

const between = (extra: readonly JsonObject[]): Hooks => ({
  events: (events) => events.flatMap((event) => [event, ...(isTerminal(event) ? [] : extra)]),
});

/** Events of other protocols that keep a connection open. */
export const keepalives = between([
  { type: "keepalive" },
  { type: "ping" },
  { type: "response.keepalive", sequence_number: 0 },
  { type: "heartbeat", data: "ok" },
]);

/** A relay that converts from Chat Completions and lets some of its chunks through. */
export const chatChunksInside = between([
  {
    id: "chatcmpl-inside",
    object: "chat.completion.chunk",
    created: 1_763_827_200,
    model: "m",
    choices: [{ index: 0, delta: { role: "assistant", content: "not ours" }, finish_reason: null }],
  },
]);

/** Data that is JSON, but not an object. */
export const strayJson: Hooks = {
  script: (script) =>
    isStream(script)
      ? {
          ...script,
          steps: [...script.steps].flatMap((each) => [
            step("data: null\n\n"),
            step('data: "ok"\n\n'),
            step("data: []\n\n"),
            each,
          ]),
        }
      : script,
};

const changeTerminal = (change: (event: JsonObject) => JsonObject): Hooks => ({
  events: (events) => events.map((event) => (isTerminal(event) ? change(event) : event)),
});
const inTerminal = (change: (response: JsonObject) => JsonObject): Hooks =>
  changeTerminal((event) => ({ ...event, response: change(responseIn(event) ?? {}) }));

/** By the words in the name after `terminal-`. */
export const TERMINAL_FORMS: Record<string, Hooks> = {
  "without-response": changeTerminal((event) => without(event, "response")),
  "in-progress": inTerminal((response) => ({ ...response, status: "in_progress" })),
  "null-output": inTerminal((response) => ({ ...response, output: null })),
  "first-item-only": inTerminal((response) => ({ ...response, output: asObjects(response["output"]).slice(0, 1) })),
  "reversed-output": inTerminal((response) => ({ ...response, output: asObjects(response["output"]).toReversed() })),
  "only-id-and-usage": inTerminal(({ id = "", usage = null }) => ({ id, usage })),
  "is-response-finished": changeTerminal((event) => ({ ...event, type: "response.finished" })),
  "is-the-object": changeTerminal((event) => ({ ...responseIn(event), type: "response.completed" })),
  "then-more": {
    events: (events) => [
      ...events,
      { type: "response.output_text.delta", item_id: "msg_late", output_index: 9, content_index: 0, delta: "too late" },
    ],
  },
};

const numbered = (number: (at: number) => Json): Hooks => ({
  events: (events) => events.map((event, at) => ({ ...event, sequence_number: number(at) })),
});

/** By the words in the name after `numbers-`. */
export const NUMBER_FORMS: Record<string, Hooks> = {
  "from-1": numbered((at) => at + 1),
  "all-0": numbered(() => 0),
  "by-10": numbered((at) => 10 * at),
  "as-texts": numbered(String),
  backwards: numbered((at) => 1_000 - at),
  null: numbered(() => null),
  absent: {
    script: (script) =>
      isStream(script)
        ? {
            ...script,
            steps: [...script.steps].map((each) => ({
              ...each,
              ...step(
                Buffer.from(each.bytes)
                  .toString()
                  .replace(/,"sequence_number":\d+\}/, "}"),
                1,
              ),
            })),
          }
        : script,
  },
};

/** By the words in the name after `created-at-`. */
export const CREATED_AT_FORMS: Record<string, Hooks> = {
  ms: createdAt((seconds) => seconds * 1_000 + 123),
  fraction: createdAt((seconds) => seconds + 0.25),
  text: createdAt(String),
  "iso-date": createdAt((seconds) => new Date(seconds * 1_000).toISOString()),
};

function createdAt(form: (seconds: number) => Json): Hooks {
  return changeResponse((response) => ({ ...response, created_at: form(Number(response["created_at"])) }));
}
