// One output item of a stream: collects what upstream's events contain about it, and emits the events for the caller. An item is announced,
// receives its parts and text, and is closed. The emitted events are complete even if upstream omitted some.
import { isRecord, type JsonObject, objectOf, recordsOf, textOf } from "../lib/json.ts";
import { isEqual, withoutNulls } from "../lib/objects.ts";
import type { UpstreamEvent } from "./event.ts";
import { ARGUMENTS_FORMS, type ArgumentsForm, itemIdPrefix, type PartKind } from "./event-kinds.ts";
import { type FinalPart, partsOf } from "./final-parts.ts";
import { contradiction, mergeArguments, mergeText } from "./merge-text.ts";
import { isAnswerMessage, jsonTextOf } from "./output.ts";
import { StreamedPart } from "./streamed-part.ts";
import { StreamedText } from "./streamed-text.ts";

/** What an item needs from its stream. */
export interface ItemStream {
  /** Whether the caller receives the deltas of texts while they arrive. A text that was sent can't be replaced. */
  readonly isLive: boolean;
  /** Whether the caller receives the deltas of arguments while they arrive. */
  readonly hasLiveArguments: boolean;
  /** Sends an event to the caller. */
  emit: (event: UpstreamEvent) => void;
  /** Returns upstream's id of an item, or a new id with this prefix if upstream's is missing, too long, or already used. */
  claimId: (id: string, prefix: string) => string;
  /** Returns upstream's call id; `fallback` if upstream's is empty; a new one if it belongs to another call. */
  claimCallId: (callId: string, fallback: string) => string;
  /** Adds the item to the output. Returns its output index. */
  claimIndex: (item: StreamedItem) => number;
}

type List = "content" | "summary";
const LISTS: readonly List[] = ["summary", "content"];
const CALLS = new Set(["function_call", "custom_tool_call"]);
/** No answer has more parts. The limit bounds the time that a search for a part takes. */
const MAX_PARTS = 4_096;
/** How many of the last parts are searched for the part of an event, if no index identifies it. */
const MAX_SEARCHED = 8;

export class StreamedItem {
  readonly #stream: ItemStream;
  /** Undefined as long as no event shows it. */
  type: string | undefined;
  /** "" until the item is announced. */
  id = "";
  /** The output index; -1 until the item is announced. */
  index = -1;
  /** The first id that upstream gave to the item, or "". */
  sentId = "";
  /** The first output index that upstream gave to the item. */
  upstreamIndex: number | undefined;
  /** Whether the event that named this item first may have been about another item, which was open at that time. */
  isDoubtful = false;
  /** Whether upstream sent `output_item.added` for the item. If it did not, the item is known from another event. */
  wasAdded = false;
  isClosed = false;
  readonly content: StreamedPart[] = [];
  readonly summary: StreamedPart[] = [];
  /** The last part of each kind under each of upstream's indexes. */
  readonly #partsByIndex = new Map<string, StreamedPart>();
  readonly #arguments = new StreamedText();
  readonly #argumentFinals: string[] = [];
  #argumentsDone: UpstreamEvent | undefined;
  /** The fields of the item in `output_item.added`, in `output_item.done` (`#done`), and in the terminal response (`#terminal`). */
  #added: JsonObject = {};
  #done: JsonObject = {};
  #terminal: JsonObject = {};
  #doneEvent: UpstreamEvent | undefined;
  /** The finished item: as the caller received it, then completed by the terminal response. Undefined until the item is closed. */
  #closed: JsonObject | undefined;
  /** The call id that the caller received; "" until the call is announced. */
  #claimedCallId = "";
  /** The phase of a message when it was announced. It showed the caller whether the text belongs to the answer or is commentary. */
  #phase: unknown;

  constructor(stream: ItemStream, type: string | undefined) {
    this.#stream = stream;
    this.type = type;
  }

  /** Whether the caller has received `output_item.added`. */
  get isAnnounced(): boolean {
    return this.index !== -1;
  }

  /** Upstream's call id; "" if it has sent none. */
  get callId(): string {
    return this.#textField("call_id");
  }

  /** Whether an item has the name and the arguments of this call, so that only its call id may differ. */
  isSameCall(item: JsonObject): boolean {
    const form = this.#argumentsForm();
    if (form === undefined || textOf(item["name"]) !== this.#textField("name")) return false;
    return jsonTextOf(item[form.textKey]) === this.#arguments.toString();
  }

  /** Whether an event has the arguments of this call. */
  hasArguments(data: JsonObject): boolean {
    const form = this.#argumentsForm();
    return form !== undefined && jsonTextOf(data[form.textKey]) === this.#arguments.toString();
  }

  get isEmpty(): boolean {
    return this.content.length === 0 && this.summary.length === 0 && this.#arguments.isEmpty;
  }

  /** The text of a message so far. */
  get text(): string {
    return this.content.map((part) => part.text.toString()).join("");
  }

  /**
   * Adds fields of the item itself.
   * @param event set if the fields are from `output_item.added`
   * @throws Problem upstream_invalid_response if the text of a commentary was already sent as the answer's
   */
  add(item: JsonObject, type: string | undefined, event?: UpstreamEvent): void {
    this.type ??= type;
    // A message without a phase belongs to the answer.
    if (event !== undefined && !this.wasAdded && this.text !== "" && !isAnswerMessage(item) && this.#stream.isLive)
      throw contradiction("late phase");
    this.wasAdded ||= event !== undefined;
    if (event !== undefined) this.isDoubtful = false;
    this.#added = { ...withoutNulls(item), ...this.#added };
    this.announce(event);
  }

  /**
   * Emits `output_item.added`, and the events for the parts and arguments so far. Does nothing if the item was announced before or can't be
   * announced yet: its type must be known, and a call needs its name and its call id.
   * @param event upstream's `output_item.added`, which is emitted if it is correct
   * @param isLast whether no further event has fields of the item. A call without a call id then gets one
   * @throws Problem upstream_invalid_response if a call has no name in the end
   */
  announce(event?: UpstreamEvent, isLast = false): void {
    const { type } = this;
    if (this.isAnnounced || type === undefined) return;
    if (CALLS.has(type)) {
      const hasName = this.#textField("name") !== "";
      if (!hasName && isLast) throw contradiction("a call without a name");
      if (!hasName || (this.callId === "" && !isLast)) return;
    }
    this.id = this.#stream.claimId(this.#textField("id"), itemIdPrefix(type));
    this.index = this.#stream.claimIndex(this);
    const item = this.#initialItem(type);
    this.#phase = item["phase"];
    this.#emitEvent(event, "response.output_item.added", { output_index: this.index }, "item", item);
    for (const list of LISTS) for (const part of this[list]) this.#announcePart(part);
    this.#emitArguments("");
  }

  /** Returns the item as `output_item.added` shows it: in progress and empty. */
  #initialItem(type: string): JsonObject {
    const item: JsonObject = { ...this.#terminal, ...this.#done, ...this.#added, id: this.id, type };
    item["status"] = "in_progress";
    if (type === "message") {
      item["role"] = textOf(item["role"]) || "assistant";
      item["content"] = [];
    } else if (type === "reasoning") {
      item["summary"] = [];
      if (item["content"] !== undefined) item["content"] = [];
    }
    if (CALLS.has(type)) {
      this.#claimedCallId = this.#stream.claimCallId(this.callId, this.id);
      item["call_id"] = this.#claimedCallId;
      item["name"] = this.#textField("name");
    }
    const form = this.#argumentsForm();
    if (form !== undefined) item[form.textKey] = "";
    return item;
  }

  /** Finds a part by upstream's index, or else the last open part of this kind; undefined if there is none. */
  findPart(list: List, kind: PartKind | undefined, upstreamIndex: unknown): StreamedPart | undefined {
    const parts = this[list];
    if (typeof upstreamIndex === "number") {
      const found = this.#partsByIndex.get(`${kind}/${upstreamIndex}`);
      if (found !== undefined) return found;
    }
    return parts
      .slice(-MAX_SEARCHED)
      .findLast(
        (part) =>
          part.kind === kind &&
          !part.isClosed &&
          (typeof upstreamIndex !== "number" || part.upstreamIndex === undefined),
      );
  }

  /**
   * Finds the part that an event finishes. Some relays give these events another index than the deltas, but they repeat the text.
   * @returns undefined if there is none
   */
  findFinishedPart(
    list: List,
    kind: PartKind | undefined,
    upstreamIndex: unknown,
    text: string,
  ): StreamedPart | undefined {
    const found = this.findPart(list, kind, upstreamIndex);
    const last = this[list].at(-1);
    if (found !== undefined || last === undefined || last.kind !== kind || last.isClosed) return found;
    if (last.finals.length > 0) return last.finals.every((final) => final === text) ? last : undefined;
    const streamed = last.text.toString();
    return streamed.startsWith(text) || text.startsWith(streamed) ? last : undefined;
  }

  /** Adds a part. @param event upstream's event that announces the part, if there is one */
  addPart(list: List, kind: PartKind | undefined, upstreamIndex: unknown, event?: UpstreamEvent): StreamedPart {
    const parts = this[list];
    if (parts.length >= MAX_PARTS) throw contradiction("too many parts");
    const part = new StreamedPart(kind, parts.length, typeof upstreamIndex === "number" ? upstreamIndex : undefined);
    const fields = event?.data["part"];
    if (isRecord(fields)) part.addFields(fields);
    parts.push(part);
    if (part.upstreamIndex !== undefined) this.#partsByIndex.set(`${kind}/${part.upstreamIndex}`, part);
    if (this.isAnnounced) this.#announcePart(part, event);
    return part;
  }

  /** Emits the event that announces a part, and its text so far. The events that finish the part before it come first. */
  #announcePart(part: StreamedPart, event?: UpstreamEvent): void {
    const before = (part.kind === "summary_text" ? this.summary : this.content)[part.index - 1];
    if (before !== undefined) this.#closePart(before);
    part.isAnnounced = true;
    const at = this.#placeOf(part);
    this.#emitEvent(event, part.form.added, at, "part", part.initialValue());
    if (part.kind !== undefined) this.#emitText(part, part.text.takePending());
  }

  /**
   * Adds a delta to a part.
   * @param event upstream's event, which is emitted if it is correct
   * @throws Problem upstream_invalid_response if the part is closed and its finished text is unknown
   */
  addText(part: StreamedPart, delta: string, event: UpstreamEvent): void {
    if (part.isClosed) {
      // The finished text already contains a late delta. Without a finished text, the delta would be lost.
      if (part.finals.length === 0 && delta !== "") throw contradiction("late delta");
      return;
    }
    const text = part.text.add(delta);
    if (!part.isAnnounced) return;
    part.text.takePending();
    if (text === "" && delta !== "") return;
    this.#stream.emit(correctEvent(event, part.form.delta, { ...this.#placeOf(part), delta: text }));
  }

  /** Emits upstream's event if it has exactly these values, or else a new event that has them. */
  #emitEvent(event: UpstreamEvent | undefined, type: string, at: JsonObject, key: string, value: JsonObject): void {
    const isSame = event !== undefined && hasAll(event.data, { ...at, type }) && isEqual(event.data[key], value);
    this.#stream.emit(isSame ? event : createEvent(type, { ...at, [key]: value }));
  }

  #emitText(part: StreamedPart, delta: string): void {
    if (delta === "") return;
    const logprobs = part.kind === "output_text" ? { logprobs: [] } : {};
    this.#stream.emit(createEvent(part.form.delta, { ...this.#placeOf(part), delta, ...logprobs }));
  }

  addAnnotation(part: StreamedPart, annotation: JsonObject, event: UpstreamEvent): void {
    const annotation_index = part.annotations.length;
    // A relay may send an event twice.
    if (Number(event.data["annotation_index"]) < annotation_index && isEqual(annotation, part.annotations.at(-1)))
      return;
    part.annotations.push(annotation);
    if (!part.isAnnounced || part.isClosed) return;
    this.#stream.emit(correctEvent(event, event.type, { ...this.#placeOf(part), annotation_index }));
  }

  /** Emits the annotations that only the finished part has. Some SDKs read sources only from these events. */
  #emitAnnotations(part: StreamedPart): void {
    if (part.kind !== "output_text") return;
    const at = this.#placeOf(part);
    for (const annotation of recordsOf(part.fields["annotations"]).slice(part.annotations.length)) {
      const annotation_index = part.annotations.push(annotation) - 1;
      this.#stream.emit(createEvent("response.output_text.annotation.added", { ...at, annotation_index, annotation }));
    }
  }

  /** Adds a delta to the arguments of a call. */
  addArguments(delta: string, event: UpstreamEvent): void {
    if (this.isClosed) {
      if (this.#argumentFinals.length === 0 && delta !== "") throw contradiction("late delta");
      return;
    }
    const text = this.#arguments.add(delta);
    const form = this.#argumentsForm();
    if (!this.isAnnounced || form === undefined) return;
    this.#arguments.takePending();
    if (text === "" && delta !== "") return;
    this.#stream.emit(correctEvent(event, form.delta, { ...this.#place(), delta: text }));
  }

  #emitArguments(rest: string): void {
    const form = this.#argumentsForm();
    const delta = this.#arguments.takePending() + rest;
    if (form !== undefined && delta !== "") this.#stream.emit(createEvent(form.delta, { ...this.#place(), delta }));
  }

  finishArguments(event: UpstreamEvent): void {
    const form = this.#argumentsForm();
    if (this.isClosed || form === undefined) return;
    if (event.data[form.textKey] !== undefined) this.#argumentFinals.push(argumentsTextOf(event.data[form.textKey]));
    this.#argumentsDone = event;
    const name = textOf(event.data["name"]);
    if (name !== "") this.add({ name }, this.type);
  }

  /** Emits an event about the item's progress. Callers can use it only while the item is announced and open. */
  emitProgress(event: UpstreamEvent): void {
    if (this.isAnnounced && !this.isClosed) this.#stream.emit(correctEvent(event, event.type, this.#place()));
  }

  /** Adds the item of `output_item.done`. Closes it, unless it is hollow: a later event may then have its content. */
  finish(item: JsonObject, type: string | undefined, event: UpstreamEvent): void {
    if (this.isClosed) return;
    this.type ??= type;
    this.isDoubtful = false;
    this.#done = { ...this.#done, ...withoutNulls(item) };
    this.#doneEvent = event;
    this.announce();
    if (this.isAnnounced && !this.#isHollow()) this.close("completed");
  }

  /** Whether no event has had the finished content yet. Only messages, calls, and reasoning items that are in progress need any. */
  #isHollow(): boolean {
    if (this.isEmpty && this.#done["status"] === "in_progress" && this.type === "reasoning") return true;
    if (this.type === "message") {
      return (
        this.content.every(({ kind, finals }) => kind !== undefined && finals.every((text) => text === "")) &&
        partsOf(this.#done, "content", "message").every(({ kind, text }) => kind !== undefined && text === "")
      );
    }
    const form = this.#argumentsForm();
    return form !== undefined && this.#finalArguments(form).every((text) => text === "");
  }

  /** Adds the item of the terminal response. @throws Problem upstream_invalid_response if it contradicts what the caller has received */
  addTerminal(item: JsonObject, type: string | undefined): void {
    this.type ??= type;
    this.isDoubtful = false;
    if (this.#closed !== undefined && isEqual(item, this.#closed)) return;
    this.#terminal = withoutNulls(item);
    if (this.#closed === undefined) return;
    if (this.type === "message") this.#addParts("content", partsOf(this.#terminal, "content", "message"));
    const form = this.#argumentsForm();
    if (form !== undefined && this.#terminal[form.textKey] !== undefined) {
      const sent = this.#arguments.toString();
      // Every caller of a stream has received the finished call, even if it gets no deltas of arguments.
      const merged = mergeArguments(sent, [argumentsTextOf(this.#terminal[form.textKey])], this.#stream.isLive);
      if (merged !== sent && this.#stream.isLive) throw contradiction("late arguments");
      this.#arguments.replace(merged);
    }
    this.#closed = this.#mergedItem(this.#closed, "completed");
  }

  /** Emits the missing events up to the end of the item. @param status used unless upstream sent a final one */
  close(status: string): void {
    if (this.isClosed) return;
    this.announce(undefined, true);
    if (!this.isAnnounced) return;
    this.#addFinalParts();
    for (const list of LISTS) for (const part of this[list]) this.#closePart(part);
    const form = this.#argumentsForm();
    if (form !== undefined) this.#closeArguments(form);
    this.isClosed = true;
    const event = this.#doneEvent;
    this.#closed = this.#mergedItem(objectOf(event?.data["item"]), status);
    this.#emitEvent(event, "response.output_item.done", { output_index: this.index }, "item", this.#closed);
  }

  #closePart(part: StreamedPart): void {
    if (part.isClosed) return;
    part.isClosed = true;
    const at = this.#placeOf(part);
    if (part.kind !== undefined) {
      const streamed = part.text.toString();
      const merged = mergeText(streamed, part.finals, this.#stream.isLive);
      const text = merged === streamed ? streamed + part.text.end() : merged;
      this.#emitText(part, text.startsWith(streamed) ? text.slice(streamed.length) : "");
      part.text.replace(text);
      this.#emitAnnotations(part);
      const done = { ...at, [part.form.textKey]: text };
      const { textDone } = part;
      const logprobs = part.kind === "output_text" ? { logprobs: [] } : {};
      this.#stream.emit(
        textDone === undefined
          ? createEvent(part.form.textDone, { ...done, ...logprobs })
          : correctEvent(textDone, part.form.textDone, done),
      );
    }
    const value = part.value();
    const { partDone } = part;
    this.#emitEvent(partDone, part.form.partDone, at, "part", value);
  }

  /** Adds the parts that the item has in `output_item.done` and in the terminal response. */
  #addFinalParts(): void {
    const { type } = this;
    if (type !== "message" && type !== "reasoning") return;
    for (const list of LISTS) {
      if (list === "summary" && type === "message") continue;
      this.#addParts(list, partsOf(this.#done, list, type));
      this.#addParts(list, partsOf(this.#terminal, list, type));
      // The item in `output_item.added` may have only the beginning, so it counts only if no other event has content.
      if (this[list].length === 0) this.#addParts(list, partsOf(this.#added, list, type));
    }
  }

  /** Merges the parts of a finished item with the known ones: the nth part of a kind with the nth known part of that kind. */
  #addParts(list: List, finals: readonly FinalPart[]): void {
    if (finals.length === 0 || this.#isDividedDifferently(list, finals)) return;
    const known = Map.groupBy(this[list], (part) => part.kind);
    const sent = Map.groupBy(finals, ({ kind }) => kind);
    const counts = new Map<PartKind | undefined, number>();
    for (const { kind, text, part: fields } of finals) {
      const parts = known.get(kind) ?? [];
      const lacksParts = (sent.get(kind)?.length ?? 0) < parts.length;
      const next = counts.get(kind) ?? 0;
      // If the finished item lacks a part, the text tells more than the position.
      const byText = lacksParts ? parts.findIndex((part, at) => at >= next && part.text.toString() === text) : -1;
      const n = byText === -1 ? next : byText;
      counts.set(kind, n + 1);
      let part = parts[n];
      if (part === undefined) {
        // An empty part adds nothing: the item may be hollow.
        if (kind !== undefined && text === "" && this[list].length > 0) continue;
        if (this.isClosed && this.#stream.isLive && this.type === "message") throw contradiction("late part");
        part = this.addPart(list, kind, this[list].length);
      }
      part.addFields(fields);
      if (!part.isClosed) part.finals.push(text);
      else if (kind !== undefined && list === "content") this.#addLateText(part, text);
    }
  }

  /** Merges the text of a later event into a closed part. @throws Problem upstream_invalid_response if the caller has another text */
  #addLateText(part: StreamedPart, text: string): void {
    const sent = part.text.toString();
    if (text === sent) return;
    const merged = mergeText(sent, [text], this.#stream.isLive);
    if (merged === sent) return;
    if (this.#stream.isLive) throw contradiction("late text");
    part.text.replace(merged);
  }

  /** Whether the finished parts have the same text as the streamed ones, but divide it differently. */
  #isDividedDifferently(list: List, finals: readonly FinalPart[]): boolean {
    const parts = this[list];
    const kind = finals[0]?.kind;
    if (finals.length === parts.length || parts.length === 0 || kind === undefined) return false;
    if (!finals.every((part) => part.kind === kind) || !parts.every((part) => part.kind === kind)) return false;
    const streamed = parts.map((part) => part.text.toString()).join("");
    return streamed !== "" && streamed === finals.map(({ text }) => text).join("");
  }

  #finalArguments(form: ArgumentsForm): string[] {
    const texts = [...this.#argumentFinals];
    for (const item of [this.#done, this.#terminal]) {
      if (item[form.textKey] !== undefined) texts.push(argumentsTextOf(item[form.textKey]));
    }
    return texts;
  }

  #closeArguments(form: ArgumentsForm): void {
    const streamed = this.#arguments.toString();
    const finals = this.#finalArguments(form);
    if (this.#arguments.isEmpty && !finals.some((text) => text !== ""))
      finals.push(argumentsTextOf(this.#added[form.textKey]));
    const merge = form.textKey === "arguments" ? mergeArguments : mergeText;
    const merged = merge(streamed, finals, this.#stream.hasLiveArguments);
    const text = merged === streamed ? streamed + this.#arguments.end() : merged;
    this.#emitArguments(text.startsWith(streamed) ? text.slice(streamed.length) : "");
    this.#arguments.replace(text);
    const done = { ...this.#place(), [form.textKey]: text };
    const event = this.#argumentsDone;
    if (event !== undefined) this.#stream.emit(correctEvent(event, form.done, done));
    else if (this.type === "function_call")
      this.#stream.emit(createEvent(form.done, { ...done, name: this.#textField("name") }));
    else if (text !== "") this.#stream.emit(createEvent(form.done, done));
  }

  /** Returns the finished item: `base` with the fields of all events. Returns `base` itself if nothing changes. */
  #mergedItem(base: JsonObject, status: string): JsonObject {
    let item = base;
    const set = (key: string, value: unknown): void => {
      if (item[key] === value) return;
      if (item === base) item = { ...base };
      if (value === undefined) delete item[key];
      else item[key] = value;
    };
    for (const source of [this.#done, this.#terminal, this.#added]) {
      for (const [key, value] of Object.entries(source))
        if (key !== "__proto__" && (item[key] ?? undefined) === undefined) set(key, value);
    }
    set("type", this.type);
    set("id", this.id);
    const own = textOf(item["status"]);
    set("status", own === "" || own === "in_progress" ? status : own);
    if (this.type === "message") {
      set("role", textOf(item["role"]) || "assistant");
      if (isAnswerMessage(item) !== isAnswerMessage({ phase: this.#phase })) set("phase", this.#phase);
    }
    for (const list of LISTS) {
      if (this.type !== "reasoning" && (this.type !== "message" || list === "summary")) continue;
      const values = this[list].map((part) => part.value());
      const isRequired = list === (this.type === "message" ? "content" : "summary");
      if (values.length === 0 && !isRequired && item[list] === undefined) continue;
      if (!isEqual(item[list], values)) set(list, values);
    }
    if (this.type !== undefined && CALLS.has(this.type)) {
      set("call_id", this.#claimedCallId);
      set("name", this.#textField("name"));
    }
    const form = this.#argumentsForm();
    if (form !== undefined) set(form.textKey, this.#arguments.toString());
    return item;
  }

  /** Returns the item for the response object: the closed item, or an incomplete one. */
  value(): JsonObject {
    return this.#closed ?? this.#mergedItem({}, "incomplete");
  }

  /** Returns a field from the first event that has a text for it, because callers may already rely on it, such as a call id. */
  #textField(name: string): string {
    return textOf(this.#added[name]) || textOf(this.#done[name]) || textOf(this.#terminal[name]);
  }

  #place(): JsonObject {
    return { item_id: this.id, output_index: this.index };
  }

  #placeOf(part: StreamedPart): JsonObject {
    return { item_id: this.id, output_index: this.index, [part.form.indexKey]: part.index };
  }

  #argumentsForm(): ArgumentsForm | undefined {
    const { type } = this;
    return type !== undefined && Object.hasOwn(ARGUMENTS_FORMS, type) ? ARGUMENTS_FORMS[type] : undefined;
  }
}

/** Returns the text of a call's arguments; "" for a value that can't be arguments, such as a number. */
function argumentsTextOf(value: unknown): string {
  return typeof value === "string" || typeof value === "object" ? jsonTextOf(value) : "";
}

/** Creates an event that upstream left out. */
function createEvent(type: string, data: JsonObject): UpstreamEvent {
  return { type, data: { type, ...data }, frame: undefined };
}

/** Returns upstream's event if it has these values, or else a copy that has them. */
function correctEvent(event: UpstreamEvent, type: string, values: JsonObject): UpstreamEvent {
  if (event.type === type && event.data["type"] === type && hasAll(event.data, values)) return event;
  return { type, data: { ...event.data, type, ...values }, frame: undefined };
}

function hasAll(data: JsonObject, values: JsonObject): boolean {
  for (const key of Object.keys(values)) if (data[key] !== values[key]) return false;
  return true;
}
