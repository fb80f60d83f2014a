// What relays do to a good stream: they leave out, double, move and rename events, leave out and change fields, and write the events in
// their own way. Each mutation has a description of one line.
import type { JsonObject, RelayEvent } from "./relay-streams.ts";

export type MutationKind =
  | "event removed"
  | "event doubled"
  | "event moved"
  | "event renamed"
  | "field removed"
  | "field null"
  | "field emptied"
  | "field renamed"
  | "field of another type";

export interface Mutation {
  kind: MutationKind;
  /** The type of the event that is changed. */
  type: string;
  /** The changed field, such as `item.content.0.text`. */
  path?: string;
  description: string;
  /** The stream still contains everything, exactly once, so no caller should see an error. */
  isHarmless: boolean;
  apply: (events: readonly RelayEvent[]) => RelayEvent[];
}

/** Types that a relay may give to another event by mistake: all that occur in good streams, and some of each other kind. */
export const KNOWN_TYPES = [
  "response.created",
  "response.queued",
  "response.in_progress",
  "response.completed",
  "response.incomplete",
  "response.failed",
  "response.output_item.added",
  "response.output_item.done",
  "response.content_part.added",
  "response.content_part.done",
  "response.output_text.delta",
  "response.output_text.done",
  "response.output_text.annotation.added",
  "response.refusal.delta",
  "response.refusal.done",
  "response.function_call_arguments.delta",
  "response.function_call_arguments.done",
  "response.custom_tool_call_input.delta",
  "response.custom_tool_call_input.done",
  "response.reasoning_summary_part.added",
  "response.reasoning_summary_text.delta",
  "response.reasoning_summary_text.done",
  "response.reasoning_text.delta",
  "response.web_search_call.completed",
  "response.mcp_call_arguments.delta",
  "response.audio.delta",
  "error",
];
/** Types that no client knows. */
export const UNKNOWN_TYPES = ["response.done", "response.relay.note", "ping", "chat.completion.chunk"];

const DELTA = /\.delta$/;
const TERMINAL = /^response\.(?:completed|incomplete)$/;

/** Every single mutation of the events. */
export function* mutationsOf(events: readonly RelayEvent[]): Generator<Mutation> {
  yield* eventMutations(events);
  for (const [at, { data }] of events.entries()) yield* fieldMutations(at, data);
}

/** Every single mutation of whole events. */
export function* eventMutations(events: readonly RelayEvent[]): Generator<Mutation> {
  for (const [at, event] of events.entries()) {
    const type = typeOf(event);
    const name = nameOf(at, type);
    yield {
      kind: "event removed",
      type,
      description: `${name} removed`,
      // When the loss of a delta is noticed, later deltas may have been sent. A stream without its terminal event was cut.
      isHarmless: !DELTA.test(type) && !TERMINAL.test(type),
      apply: (all) => all.toSpliced(at, 1),
    };
    yield {
      kind: "event doubled",
      type,
      description: `${name} doubled`,
      isHarmless: !DELTA.test(type),
      apply: (all) => all.toSpliced(at, 0, ...all.slice(at, at + 1)),
    };
    for (const to of events.keys()) {
      if (to === at || to === at - 1) continue;
      yield {
        kind: "event moved",
        type,
        description: `${name} moved to ${to}`,
        isHarmless: false,
        apply: (all) => all.toSpliced(at, 1).toSpliced(to, 0, ...all.slice(at, at + 1)),
      };
    }
    for (const renamed of [...KNOWN_TYPES, ...UNKNOWN_TYPES]) {
      if (renamed === type) continue;
      yield {
        kind: "event renamed",
        type,
        description: `${name} renamed to ${renamed}`,
        isHarmless: false,
        apply: (all) => replaced(all, at, ({ data }) => ({ line: renamed, data: { ...data, type: renamed } })),
      };
    }
  }
}

/** Every single mutation of the fields of one event's data, at any depth. */
export function* fieldMutations(at: number, data: JsonObject): Generator<Mutation> {
  const type = String(data["type"]);
  for (const { path, value } of fieldsOf(data)) {
    const field = path.join(".");
    const changes: [MutationKind, string, (holder: JsonObject, key: string) => void][] = [
      ["field removed", "removed", (holder, key) => removeKey(holder, key)],
      ["field null", "null", (holder, key) => void (holder[key] = null)],
      ["field emptied", "emptied", (holder, key) => void (holder[key] = emptied(value))],
      ["field renamed", "renamed", rename],
      ["field of another type", "of another type", (holder, key) => void (holder[key] = ofAnotherType(value))],
    ];
    for (const [kind, words, change] of changes) {
      if (kind === "field null" && value === null) continue;
      if (kind === "field renamed" && /^\d+$/.test(path.at(-1) ?? "")) continue;
      if (kind === "field emptied" && JSON.stringify(emptied(value)) === JSON.stringify(value)) continue;
      yield {
        kind,
        type,
        path: field,
        description: `${nameOf(at, type)}: ${field} ${words}`,
        isHarmless: isHarmless(kind, type, field),
        apply: (all) =>
          replaced(all, at, ({ line, data: original }) => ({ line, data: withChange(original, path, change) })),
      };
    }
  }
}

/** Every mutation of the fields of a JSON response. */
export function* jsonMutations(response: JsonObject): Generator<{ description: string; json: JsonObject }> {
  for (const { description, apply } of fieldMutations(0, response)) {
    const [changed] = apply([{ line: "", data: response }]);
    yield { description: description.slice(description.indexOf(": ") + 2), json: changed?.data ?? response };
  }
}

function isHarmless(kind: MutationKind, type: string, path: string): boolean {
  if (DELTA.test(type) && path === "delta") return false;
  // Commentary without a phase has been sent as the answer.
  if (path.endsWith("phase")) return false;
  // The other parts or items have moved to other places.
  if (/\.\d+$/.test(path)) return false;
  // Zero is the index of another item or part.
  if (kind === "field emptied") return !path.endsWith("index");
  return kind !== "field of another type" || !/(?:arguments|input|error)$/.test(path);
}

function* fieldsOf(value: unknown, path: string[] = []): Generator<{ path: string[]; value: unknown }> {
  if (typeof value !== "object" || value === null) return;
  for (const [key, child] of Object.entries(value)) {
    yield { path: [...path, key], value: child };
    yield* fieldsOf(child, [...path, key]);
  }
}

/** What a relay does to all events of a stream. `isHarmless`: the stream still contains everything. */
export interface Family {
  description: string;
  isHarmless: boolean;
  apply: (events: readonly RelayEvent[]) => RelayEvent[];
}

const DONE = /\.done$/;
const ADDED = /\.added$/;
const LIFECYCLE = /^response\.(?:created|in_progress)$/;
const ITEM_DONE = "response.output_item.done";

/** Everything that relays do to all events of a stream. */
export function* familiesOf(events: readonly RelayEvent[]): Generator<Family> {
  const types = [...new Set(events.map(typeOf))];
  const without = (description: string, isHarmless: boolean, isLost: (type: string) => boolean): Family => ({
    description,
    isHarmless,
    apply: (all) => all.filter((event) => !isLost(typeOf(event))),
  });
  // Without both, nothing contains a call's name or marks commentary.
  const isPlain = events.every(({ data }) => {
    const { type = "message", phase } = (data["item"] ?? {}) as JsonObject;
    return type === "message" && phase === undefined;
  });
  for (const type of types) yield without(`no ${type}`, !TERMINAL.test(type), (one) => one === type);
  yield without("no lifecycle events", true, (type) => LIFECYCLE.test(type));
  yield without("no finished texts, parts and items", true, (type) => DONE.test(type));
  yield without("nothing added", true, (type) => ADDED.test(type));
  yield without("nothing added and nothing done", true, (type) => ADDED.test(type) || DONE.test(type));
  yield without("no deltas", true, (type) => DELTA.test(type));
  yield without("items alone", true, (type) => !TERMINAL.test(type) && !type.startsWith("response.output_item."));
  yield without("finished items alone", true, (type) => !TERMINAL.test(type) && type !== ITEM_DONE);
  yield without("the terminal event alone", true, (type) => !TERMINAL.test(type));
  const hollow = (family: Family, isHarmless: boolean): Family => ({
    description: `${family.description}, a hollow end`,
    isHarmless,
    apply: (all) => withHabits(family.apply(all), { hollowEnd: true }),
  });
  yield hollow(
    without(
      "deltas and items",
      true,
      (type) => !DELTA.test(type) && !TERMINAL.test(type) && !type.startsWith("response.output_item."),
    ),
    true,
  );
  yield hollow(
    without("finished items alone", true, (type) => !TERMINAL.test(type) && type !== ITEM_DONE),
    true,
  );
  yield hollow(
    without("no finished texts, parts and items", true, (type) => DONE.test(type)),
    true,
  );
  yield hollow(
    without("deltas alone", true, (type) => !DELTA.test(type) && !TERMINAL.test(type)),
    isPlain,
  );
  yield* itemFamilies();
  yield { description: "every event twice", isHarmless: true, apply: (all) => all.flatMap((event) => [event, event]) };
  yield { description: "items interleaved", isHarmless: false, apply: interleaved };
  for (const [name, isAt] of FIELDS) {
    const everywhere = (words: string, change: (holder: JsonObject, key: string) => void): Family => ({
      description: `${name} ${words} in all events`,
      isHarmless: true,
      apply: (all) =>
        all.map(({ line, data }) => {
          let changed = data;
          for (const { path } of [...fieldsOf(data)].toReversed())
            if (isAt(path.join("."))) changed = withChange(changed, path, change);
          return { line, data: changed };
        }),
    });
    yield everywhere("removed", removeKey);
    yield everywhere("null", (holder, key) => void (holder[key] = null));
    yield everywhere("of another type", (holder, key) => void (holder[key] = ofAnotherType(holder[key])));
  }
  yield {
    description: "content as a text in finished items",
    isHarmless: true,
    apply: (all) => withItems(all, contentAsText),
  };
  yield { description: "arguments as an object", isHarmless: true, apply: (all) => withItems(all, argumentsAsObject) };
}

/** What relays do to the ids, the order and the content of all items. */
function* itemFamilies(): Generator<Family> {
  const harmless = (description: string, apply: Family["apply"]): Family => ({ description, isHarmless: true, apply });
  const withKey =
    (key: string, change: (value: number) => number): Family["apply"] =>
    (all) =>
      all.map(({ line, data }) => ({ line, data: key in data ? { ...data, [key]: change(Number(data[key])) } : data }));
  const atEnd =
    (change: (output: JsonObject[]) => JsonObject[]): Family["apply"] =>
    (all) =>
      all.map((event) => {
        const response = event.data["response"] as JsonObject | undefined;
        if (!TERMINAL.test(typeOf(event)) || response === undefined) return event;
        const output = change(response["output"] as JsonObject[]);
        return { ...event, data: { ...event.data, response: { ...response, output } } };
      });
  yield harmless(
    "output_index from 1",
    withKey("output_index", (index) => index + 1),
  );
  yield harmless(
    "output_index with gaps",
    withKey("output_index", (index) => index * 3),
  );
  yield harmless(
    "content_index from 1",
    withKey("content_index", (index) => index + 1),
  );
  yield harmless(
    "content_index always 0",
    withKey("content_index", () => 0),
  );
  yield harmless(
    "summary_index always 0",
    withKey("summary_index", () => 0),
  );
  yield harmless("the same id for all items", (all) =>
    all.map(({ line, data }) => ({
      line,
      data: {
        ...data,
        ...("item_id" in data ? { item_id: "item_1" } : {}),
        ...("item" in data ? { item: { ...(data["item"] as JsonObject), id: "item_1" } } : {}),
      },
    })),
  );
  yield harmless(
    "a last output without reasoning",
    atEnd((output) => output.filter(({ type }) => type !== "reasoning")),
  );
  yield harmless(
    "a last output without its last item",
    atEnd((output) => output.slice(0, -1)),
  );
  yield harmless(
    "a last output without its first item",
    atEnd((output) => output.slice(1)),
  );
  yield harmless(
    "a last output in reverse",
    atEnd((output) => output.toReversed()),
  );
  yield harmless(
    "a last output with other ids",
    atEnd((output) => output.map((item, at) => ({ ...item, id: `new_${at}` }))),
  );
  yield harmless(
    "a last output without ids",
    atEnd((output) => output.map((item) => ({ ...item, id: undefined }))),
  );
  yield harmless("items in progress to the end", (all) =>
    withItems(all, (item) => ({ ...item, status: "in_progress" })),
  );
  yield harmless("finished texts without the spaces around them", (all) =>
    all.map((event) => (DELTA.test(typeOf(event)) ? event : { ...event, data: trimmed(event.data) as JsonObject })),
  );
  yield harmless("an item of an unknown type before the end", (all) => {
    const item = { id: "note_1", type: "relay_note", note: "slow backend" };
    const events = ["added", "done"].map((name) => {
      const type = `response.output_item.${name}`;
      return { line: type, data: { type, sequence_number: all.length, output_index: 90, item } };
    });
    return all.toSpliced(-1, 0, ...events);
  });
}

/** Trims the texts of finished parts. */
function trimmed(value: unknown, key = ""): unknown {
  if (typeof value === "string") return key === "text" || key === "refusal" ? value.trim() : value;
  if (Array.isArray(value)) return value.map((child) => trimmed(child));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, child]) => [name, trimmed(child, name)]));
}

const FIELDS: readonly [name: string, isAt: (path: string) => boolean][] = [
  ...["sequence_number", "output_index", "content_index", "summary_index", "item_id", "logprobs"].map(
    (key): [string, (path: string) => boolean] => [key, (path) => path === key],
  ),
  ...["object", "created_at", "model", "error", "incomplete_details", "usage", "metadata", "tools", "output"].map(
    (key): [string, (path: string) => boolean] => [`response.${key}`, (path) => path === `response.${key}`],
  ),
  ["response.id", (path) => path === "response.id"],
  ["response.status", (path) => path === "response.status"],
  ["an item's id", (path) => /^(?:item|response\.output\.\d+)\.id$/.test(path)],
  ["an item's id and item_id", (path) => /^(?:item_id|item\.id|response\.output\.\d+\.id)$/.test(path)],
  ["an item's status", (path) => /^(?:item|response\.output\.\d+)\.status$/.test(path)],
  ["an item's role", (path) => path.endsWith(".role")],
  ["an item's type", (path) => /^(?:item|response\.output\.\d+)\.type$/.test(path)],
  ["a part's type", (path) => /^(?:part|.*(?:content|summary)\.\d+)\.type$/.test(path)],
  ["annotations", (path) => path.endsWith(".annotations")],
];

function withItems(events: readonly RelayEvent[], change: (item: JsonObject) => JsonObject): RelayEvent[] {
  return events.map((event) => {
    const data = structuredClone(event.data);
    if (typeOf(event) === ITEM_DONE) data["item"] = change(data["item"] as JsonObject);
    if (TERMINAL.test(typeOf(event))) {
      const response = data["response"] as JsonObject;
      response["output"] = (response["output"] as JsonObject[]).map(change);
    }
    return { ...event, data };
  });
}

function contentAsText(item: JsonObject): JsonObject {
  const parts = (item["content"] ?? []) as JsonObject[];
  if (item["type"] !== "message" || parts.some((part) => part["type"] !== "output_text")) return item;
  return { ...item, content: parts.map((part) => String(part["text"])).join("") };
}

function argumentsAsObject(item: JsonObject): JsonObject {
  return item["type"] === "function_call"
    ? { ...item, arguments: JSON.parse(String(item["arguments"])) as unknown }
    : item;
}

/** Sends the events of all items in turn, numbered anew. Each item's own events stay in their order. */
function interleaved(events: readonly RelayEvent[]): RelayEvent[] {
  const queues = [...Map.groupBy(events, ({ data }) => data["output_index"] ?? -1).entries()]
    .filter(([index]) => index !== -1)
    .map(([, queue]) => [...queue]);
  const mixed: RelayEvent[] = [];
  while (queues.some((queue) => queue.length > 0)) for (const queue of queues) mixed.push(...queue.splice(0, 1));
  const isOfItem = ({ data }: RelayEvent): boolean => "output_index" in data;
  const end = events.findLastIndex((event) => TERMINAL.test(typeOf(event)));
  const all = [...events.slice(0, end).filter((event) => !isOfItem(event)), ...mixed, ...events.slice(end)];
  return all.map(({ line, data }, at) => ({ line, data: { ...data, sequence_number: at } }));
}

function replaced(events: readonly RelayEvent[], at: number, change: (event: RelayEvent) => RelayEvent): RelayEvent[] {
  return events.map((event, index) => (index === at ? change(event) : event));
}

/** Returns the data with one changed field; unchanged if an earlier mutation has taken the field away. */
function withChange(
  data: JsonObject,
  path: readonly string[],
  change: (holder: JsonObject, key: string) => void,
): JsonObject {
  const copy = structuredClone(data);
  let holder: unknown = copy;
  for (const key of path.slice(0, -1)) {
    if (typeof holder !== "object" || holder === null) return copy;
    holder = (holder as JsonObject)[key];
  }
  const key = path.at(-1) ?? "";
  if (typeof holder === "object" && holder !== null && key in holder) change(holder as JsonObject, key);
  return copy;
}

function removeKey(holder: JsonObject, key: string): void {
  if (Array.isArray(holder)) holder.splice(Number(key), 1);
  else Reflect.deleteProperty(holder, key);
}

function rename(holder: JsonObject, key: string): void {
  holder[`relay_${key}`] = holder[key];
  Reflect.deleteProperty(holder, key);
}

function emptied(value: unknown): unknown {
  if (typeof value === "string") return "";
  if (typeof value === "number") return 0;
  if (typeof value === "boolean") return false;
  if (Array.isArray(value)) return [];
  return value === null ? null : {};
}

function ofAnotherType(value: unknown): unknown {
  if (typeof value === "string") return 7;
  if (typeof value === "number") return String(value);
  if (typeof value === "boolean") return "yes";
  if (Array.isArray(value)) return { 0: "x" };
  return value === null ? "x" : ["x"];
}

function typeOf({ line, data }: RelayEvent): string {
  return typeof data["type"] === "string" && data["type"] !== "" ? data["type"] : line;
}

const nameOf = (at: number, type: string): string => `event ${at} (${type})`;

/** How a relay writes its events. The text of the answer is in none of these. */
export interface Habits {
  /** `own`: as in the data. `none`: left out. `zero`: always 0. `from 1`: one higher. `anew`: by the place in the stream. */
  numbers?: "own" | "none" | "zero" | "from 1" | "anew";
  outputIndexes?: "own" | "none" | "zero";
  /** `changing`: another one in each event. */
  itemIds?: "own" | "none" | "changing";
  /** Adds the response's id to every event. */
  responseIds?: boolean;
  /** The response object of the terminal event has another id. */
  otherIdAtEnd?: boolean;
  createdAtMs?: boolean;
  /** Replaces the type of the terminal event. */
  terminalName?: string;
  /** The terminal response has no output. */
  hollowEnd?: boolean;
  /** Whether to write `event:` lines; a string: what all of them contain. Default: true. */
  eventLines?: boolean | string;
  lineEnd?: "\n" | "\r\n" | "\r";
  /** Written before each event, such as a comment or UniAPI's heartbeat. */
  keepalive?: string;
  /** `[DONE]` at the end. */
  done?: boolean;
  /** How the data is written. `pretty`: over several `data:` lines. `bare`: without `data:`. `tight`: without a space. */
  data?: "pretty" | "bare" | "tight";
  /** Also writes `id:` and `retry:` lines. */
  ids?: boolean;
  /** Begins with a byte order mark. */
  bom?: boolean;
  /** The last event has no blank line after it. */
  noLastLineEnd?: boolean;
  /** Bytes per chunk; undefined: a chunk for each event. */
  chunkBytes?: number;
}

export const HABITS: readonly (Habits & { name: string })[] = [
  { name: "as OpenAI" },
  { name: "no numbers", numbers: "none" },
  { name: "constant numbers", numbers: "zero" },
  { name: "numbers from 1", numbers: "from 1" },
  { name: "numbered anew", numbers: "anew" },
  { name: "no indexes", outputIndexes: "none" },
  { name: "constant indexes", outputIndexes: "zero" },
  { name: "no item ids", itemIds: "none" },
  { name: "another item id in each event", itemIds: "changing" },
  { name: "the response's id in each event", responseIds: true },
  { name: "another response id at the end", otherIdAtEnd: true },
  { name: "the response's id in each event, another one at the end", responseIds: true, otherIdAtEnd: true },
  { name: "created_at in milliseconds", createdAtMs: true },
  { name: "a terminal event named response.done", terminalName: "response.done" },
  { name: "a hollow end", hollowEnd: true },
  { name: "no event lines", eventLines: false },
  { name: "CRLF", lineEnd: "\r\n" },
  { name: "CR", lineEnd: "\r" },
  { name: "comments", keepalive: ": PROCESSING\n\n" },
  { name: "heartbeats", keepalive: "::PING\n\n" },
  {
    name: "keepalive events",
    keepalive: 'event: keepalive\ndata: {"type":"keepalive","sequence_number":3}\n\n',
  },
  { name: "ping events", keepalive: 'data: {"type":"ping"}\n\n' },
  { name: "[DONE]", done: true },
  { name: "data over several lines", data: "pretty" },
  { name: "data without a field name", data: "bare", eventLines: false },
  { name: "no space after data:", data: "tight" },
  { name: "the same event line for all events", eventLines: "message" },
  { name: "comments within events", keepalive: ": slow\n" },
  { name: "id and retry lines", ids: true },
  { name: "a byte order mark", bom: true },
  { name: "no line end after the last event", noLastLineEnd: true },
  { name: "chunks of 1 byte", chunkBytes: 1 },
  { name: "chunks of 7 bytes", chunkBytes: 7 },
  { name: "one chunk", chunkBytes: 1_000_000 },
  { name: "no numbers, no item ids, no indexes", numbers: "none", itemIds: "none", outputIndexes: "none" },
  { name: "no numbers, no item ids, constant indexes", numbers: "none", itemIds: "none", outputIndexes: "zero" },
  { name: "CRLF without event lines, in chunks of 5 bytes", lineEnd: "\r\n", eventLines: false, chunkBytes: 5 },
];

/** Applies the habits to the events. */
export function withHabits(events: readonly RelayEvent[], habits: Habits): RelayEvent[] {
  return events.map(({ line, data: original }, at) => {
    const data: JsonObject = { ...original };
    if (habits.numbers === "none") removeKey(data, "sequence_number");
    if (habits.numbers === "zero") data["sequence_number"] = 0;
    if (habits.numbers === "anew") data["sequence_number"] = at;
    if (habits.numbers === "from 1") data["sequence_number"] = Number(data["sequence_number"]) + 1;
    if (habits.outputIndexes === "none") removeKey(data, "output_index");
    if (habits.outputIndexes === "zero" && "output_index" in data) data["output_index"] = 0;
    if (habits.itemIds === "none") removeKey(data, "item_id");
    if (habits.itemIds === "changing" && "item_id" in data) data["item_id"] = `item_${at}`;
    if (habits.responseIds === true) data["response_id"] = "resp_relay_0a1b2c";
    const isTerminal = TERMINAL.test(String(data["type"]));
    if (typeof data["response"] === "object" && data["response"] !== null) {
      const response = { ...(data["response"] as JsonObject) };
      if (habits.createdAtMs === true) response["created_at"] = Number(response["created_at"]) * 1_000;
      if (isTerminal && habits.otherIdAtEnd === true) response["id"] = "resp_relay_other";
      if (isTerminal && habits.hollowEnd === true) response["output"] = [];
      data["response"] = response;
    }
    if (!isTerminal || habits.terminalName === undefined) return { line, data };
    return { line: habits.terminalName, data: { ...data, type: habits.terminalName } };
  });
}

/** The frame of one event, as it goes over the wire. */
export function frameOf({ line, data }: RelayEvent, habits: Habits = {}): string {
  const lines = [
    ...(habits.eventLines === false || line === ""
      ? []
      : [`event: ${typeof habits.eventLines === "string" ? habits.eventLines : line}`]),
    ...(habits.ids === true ? ["id: 7", "retry: 1000"] : []),
    ...dataLines(data, habits),
  ];
  const text = `${lines.join("\n")}\n\n`;
  return habits.lineEnd === undefined ? text : text.replaceAll("\n", habits.lineEnd);
}

function dataLines(data: JsonObject, habits: Habits): string[] {
  if (habits.data === "bare") return [JSON.stringify(data)];
  const text = habits.data === "pretty" ? JSON.stringify(data, null, 1) : JSON.stringify(data);
  return text.split("\n").map((line) => `data:${habits.data === "tight" ? "" : " "}${line}`);
}

/** The chunks of an event stream. */
export function chunksOf(events: readonly RelayEvent[], habits: Habits = {}): Uint8Array[] {
  const encoder = new TextEncoder();
  const frames = events.map((event) => `${habits.keepalive ?? ""}${frameOf(event, habits)}`);
  if (habits.bom === true) frames[0] = `\uFEFF${frames[0] ?? ""}`;
  if (habits.done === true) frames.push("data: [DONE]\n\n");
  if (habits.noLastLineEnd === true) frames.push((frames.pop() ?? "").trimEnd());
  const { chunkBytes } = habits;
  if (chunkBytes === undefined) return frames.map((frame) => encoder.encode(frame));
  const bytes = encoder.encode(frames.join(""));
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) chunks.push(bytes.subarray(at, at + chunkBytes));
  return chunks;
}
