// Turns everything that upstream sends about a response into one complete stream of events and one complete response object. Relays omit,
// duplicate and rename events and fields, and repeat an item in several forms. This module merges all forms of an item and adds what is
// missing, so that no other module has to interpret upstream's events. Used for streams, for JSON, and for stored responses.
import { isRecord, type JsonObject, objectOf, textOf } from "../lib/json.ts";
import { isEqual, withoutNulls } from "../lib/objects.ts";
import { unixSeconds } from "../lib/unix-seconds.ts";
import { Problem } from "../lib/problem.ts";
import type { Frame } from "../lib/sse.ts";
import { utf8Of } from "../lib/bytes.ts";
import { type EventBatch, isErrorEvent, malformed, type UpstreamEvent } from "./event.ts";
import { type EventRole, isFinalStatus, PART_FORMS, roleOf, STATUS_BY_EVENT, typeOfItem } from "./event-kinds.ts";
import { finalItemsOf, kindOfPart, partsOf } from "./final-parts.ts";
import { contradiction } from "./merge-text.ts";
import { itemsOf } from "./output.ts";
import { type ItemStream, StreamedItem } from "./streamed-item.ts";
import type { StreamedPart } from "./streamed-part.ts";
import { isWholeResponse } from "./whole-response.ts";
import { hasItemId, TEXT_DELTA, type TextDelta } from "./text-delta.ts";

/**
 * How a stream ended: with a response that did not fail, or with an error. `body` is the error event or the failed response. If a failed
 * response is missing from its event, `body` is that event. `hasOutput` is true if there was output before the error or in the failed
 * response. The call may then have been paid, even if the error suggests that it was not. `response` is the failed response, with the items
 * so far; absent for an error event.
 */
export type Terminal =
  | { kind: "response"; response: JsonObject }
  | { kind: "error"; body: JsonObject; hasOutput: boolean; response?: JsonObject };

export interface RepairOptions {
  /** Returns that many random bytes in hex, for the ids of items without a usable one. */
  random: (bytes: number) => string;
  /** The current time in Unix seconds, for a response without a valid `created_at`. */
  now: number;
  /**
   * Which deltas the caller receives while they arrive: those of texts (`text`), those of texts and arguments (`all`), or none (undefined).
   * A text that was sent can't be replaced, so a finished text that contradicts it is an error. See merge-text.ts for all other cases.
   */
  live: "text" | "all" | undefined;
}

/** In bytes. Several times the size of the largest answer, because the finished parts and items repeat the text of the deltas. */
const MAX_SIZE = 32 * 1_048_576;
/** No answer has more items. The limit bounds the time that a search for an item takes. */
const MAX_ITEMS = 4_096;
/** How many items are compared with an event or with an item of the terminal response, if no id or index identifies the right one. */
const MAX_SEARCHED = 32;
const ID_BYTES = 16;
/** OpenAI refuses an input whose items have longer ids. */
const MAX_ID_CHARS = 64;

/** The part that the last text delta belongs to. Further deltas of this part can be forwarded without parsing them. */
interface CurrentPart {
  part: StreamedPart;
  outputIndex: number;
  /** The item's id as bytes. */
  id: Uint8Array;
}

/** The events whose deltas a caller joins into one text, in the order in which they arrive. */
const CHANNELS: Readonly<Record<string, "text" | "reasoning">> = {
  [TEXT_DELTA]: "text",
  "response.refusal.delta": "text",
  "response.reasoning_summary_text.delta": "reasoning",
};

/** The role of an event that has the name of a terminal event, although its response is not finished. */
const BEGINNING: EventRole = { is: "lifecycle" };

/** Items by one kind of name, such as their ids. A name that a relay gives to several items identifies none of them. */
class UniqueNames {
  readonly #items = new Map<string, StreamedItem | "shared">();

  get(name: string): StreamedItem | undefined {
    const item = this.#items.get(name);
    return item === "shared" ? undefined : item;
  }

  set(name: string, item: StreamedItem): void {
    const known = this.#items.get(name);
    this.#items.set(name, known === undefined || known === item ? item : "shared");
  }
}

export class StreamRepair {
  readonly #random: (bytes: number) => string;
  readonly #now: number;
  readonly #isLive: boolean;
  readonly #itemStream: ItemStream;
  /** Receives the events that the current call of `push` or `finish` emits. */
  #out: EventBatch = [];
  #response: JsonObject | undefined;
  #hasBegun = false;
  /** The types of the lifecycle events that were emitted. */
  readonly #emittedTypes = new Set<string>();
  /** All items, in the order in which upstream first mentioned them. */
  readonly #items: StreamedItem[] = [];
  /** The items that were announced to the caller, by output index. */
  readonly #output: StreamedItem[] = [];
  /** The items by the ids, call ids and output indexes that upstream's events have for them. */
  readonly #byId = new UniqueNames();
  readonly #byCall = new UniqueNames();
  readonly #byIndex = new Map<number, StreamedItem>();
  /** The ids and the call ids of the announced items, as the caller received them. */
  readonly #ids = new Set<string>();
  readonly #callIds = new Set<string>();
  /** Whether there was output that does not belong to an item, such as audio. */
  #hasOther = false;
  #current: CurrentPart | undefined;
  /** The output index of the item whose text was sent last. A text of an earlier item could not be joined in the order of the output. */
  readonly #lastIndex = { text: 0, reasoning: 0 };
  #lastNumber: number | undefined;
  #lastFrame: Frame | undefined;
  /** Whether the current event has a smaller sequence number than the one before it. */
  #isLate = false;
  /** Whether every sequence number so far was larger than the one before it. Repeated events do not count. */
  #isInOrder = true;
  #size = 0;

  constructor({ random, now, live }: RepairOptions) {
    this.#random = random;
    this.#now = now;
    this.#isLive = live !== undefined;
    this.#itemStream = {
      isLive: this.#isLive,
      hasLiveArguments: live === "all",
      emit: (event) => this.#emit(event),
      claimId: (id, prefix) => this.#claimId(id, prefix),
      claimCallId: (callId, fallback) => this.#claimCallId(callId, fallback),
      claimIndex: (item) => this.#output.push(item) - 1,
    };
  }

  /** The fields of the response so far, such as its id and model. Undefined until the first event is emitted. */
  get response(): JsonObject | undefined {
    return this.#response;
  }

  /** Whether the model has begun to answer. An error after that may have been paid, whatever its code says. */
  get hasOutput(): boolean {
    return this.#hasOther || this.#items.length > 0;
  }

  /**
   * Adds an event.
   * @param out receives the events that result from this one; their sequence numbers are upstream's, or are missing
   * @param bytes the event's bytes, which show whether the event repeats the one before it
   * @returns how the stream ended; undefined if this event does not end it
   * @throws Problem upstream_invalid_response for a stream that contradicts itself or is larger than any answer can be
   */
  push(event: UpstreamEvent, out: EventBatch, bytes = event.frame): Terminal | undefined {
    this.#out = out;
    const { delta, frame } = event;
    if (this.#isRepeated(event, bytes)) return undefined;
    if (delta !== undefined && frame !== undefined && this.#addUnparsed(frame, delta)) {
      out.push(event);
      return undefined;
    }
    const { type, data } = event;
    if (isErrorEvent(type, data)) return { kind: "error", body: data, hasOutput: this.hasOutput };
    const { response } = data;
    const status = this.#finalStatus(type, data);
    if (status === "failed") return this.#fail(isRecord(response) ? response : data);
    if (status !== undefined) return this.finish(isRecord(response) ? response : {}, status, out);
    const role = type in STATUS_BY_EVENT && isRecord(response) ? BEGINNING : roleOf(type);
    if (role === undefined) return undefined;
    if (role.is === "lifecycle") {
      this.#addLifecycle(
        roleOf(type) === undefined ? "response.in_progress" : type,
        isRecord(response) ? response : {},
      );
      return undefined;
    }
    this.#begin();
    if (role.is === "other") {
      this.#addOther(withoutResponse(event));
      return undefined;
    }
    this.#addSize(bytes?.length ?? 0);
    this.#current = undefined;
    this.#addToItem(role, withoutResponse(event));
    return undefined;
  }

  /** Returns the response of a stream that failed: its status is `failed`, and its output consists of the announced items. */
  failedResponse(): JsonObject {
    return { ...this.#response, status: "failed", output: this.#output.map((item) => item.value()) };
  }

  /**
   * Ends the stream with its terminal response, or turns a response that was not streamed into a stream.
   * @param status the status of the response, which did not fail
   * @param out receives the missing events up to the end, and the terminal event
   * @throws Problem upstream_invalid_response if the response contradicts the stream
   */
  finish(response: JsonObject, status: string, out: EventBatch): Terminal {
    this.#out = out;
    const isFirst = !this.#hasBegun;
    const merged = mergeResponses(this.#response, response);
    if (isFirst) this.#response = { ...response, ...merged };
    this.#begin();
    if (isFirst) this.#emitLifecycle("response.in_progress");
    const unread = this.#addTerminalItems(withTextAsItem(response, this.#items));
    if (this.#items.some((item) => item.isDoubtful && !item.isEmpty))
      throw contradiction("an item without an announcement");
    const itemStatus = status === "completed" ? "completed" : "incomplete";
    for (const item of this.#output) item.close(itemStatus);
    for (const item of this.#items) item.close(itemStatus);
    if (unread.some((item) => item.content.length === 0)) throw malformed("unreadable content");
    // `merged` has no nulls, but a key that only has null in `response` is passed on, too. `output_text` is computed from the output.
    const { output_text: _, ...known } = { ...response, ...merged };
    const complete: JsonObject = {
      ...known,
      created_at: unixSeconds(known["created_at"], this.#now),
      status,
      output: this.#orderedOutput().map((item) => item.value()),
    };
    const type = status === "completed" || !isFinalStatus(status) ? "response.completed" : "response.incomplete";
    out.push({ type, data: { type, response: complete }, frame: undefined });
    return { kind: "response", response: complete };
  }

  #fail(body: JsonObject): Terminal {
    const response = { ...this.failedResponse(), ...withoutNulls({ usage: body["usage"], model: body["model"] }) };
    return { kind: "error", body, hasOutput: this.hasOutput || itemsOf(body).length > 0, response };
  }

  /** Returns the status of the response if the event ends the stream; undefined if it does not. */
  #finalStatus(type: string, data: JsonObject): string | undefined {
    const { response } = data;
    const byType = STATUS_BY_EVENT[type];
    const status = isRecord(response) ? response["status"] : undefined;
    const own = isFinalStatus(status) ? String(status) : undefined;
    const isEmpty = !this.hasOutput && isRecord(response) && itemsOf(response).length === 0;
    const isUnfinished = (status === "in_progress" || status === "queued") && (isEmpty || this.#isLate);
    if (byType === "failed" || own === "failed") return "failed";
    if (byType === undefined) {
      // Some relays put the status of a finished response into their first event, or into every event.
      const isKnown = roleOf(type) !== undefined;
      return isRecord(response) && (isKnown || isEmpty) && itemsOf(response).length === 0 ? undefined : own;
    }
    if (own !== undefined) return own;
    // A terminal event without a response ends the stream only after some output.
    if (!isRecord(response)) return this.hasOutput && !isAboutItem(data) ? byType : undefined;
    // The event's name is not enough: the event may be about an item, or about a response that has only begun.
    const { usage, incomplete_details: details } = response;
    const hasReason = isRecord(details) && textOf(details["reason"]) !== "";
    const hasOnlyName = byType !== "completed" && status === "in_progress" && !isRecord(usage) && !hasReason;
    if (isAboutItem(data) || isUnfinished || hasOnlyName) return undefined;
    return hasReason && byType === "completed" ? "incomplete" : byType;
  }

  #addLifecycle(type: string, response: JsonObject): void {
    // Before the end, a relay may have estimated the tokens, or counted only a part of them.
    const { usage: _, output: __, ...fields } = response;
    this.#response = mergeResponses(this.#response, fields);
    if (isFinalStatus(this.#response["status"])) this.#response["status"] = "in_progress";
    this.#begin();
    if (!this.hasOutput) this.#emitLifecycle(type);
  }

  /** Emits `response.created`, unless the stream has begun. */
  #begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#response ??= {};
    this.#emitLifecycle("response.created");
  }

  /** Emits a lifecycle event, but each type only once. Some relays repeat these events to keep the connection open. */
  #emitLifecycle(type: string): void {
    if (this.#emittedTypes.has(type)) return;
    this.#emittedTypes.add(type);
    this.#out.push({ type, data: { type, response: this.#initialResponse() }, frame: undefined });
  }

  /** Returns the response as lifecycle events show it: unfinished and without output. */
  #initialResponse(): JsonObject {
    const { output_text: _, ...rest } = this.#response ?? {};
    const status = textOf(rest["status"]);
    return {
      ...rest,
      created_at: unixSeconds(rest["created_at"], this.#now),
      status: status === "" || isFinalStatus(status) ? "in_progress" : status,
      output: [],
      usage: null,
      completed_at: null,
      incomplete_details: null,
    };
  }

  /**
   * Adds a text delta without parsing it, if it belongs to the same part as the delta before it and neither has half of a character.
   * @returns whether the delta was added
   */
  #addUnparsed(frame: Frame, delta: TextDelta): boolean {
    const current = this.#current;
    if (
      current === undefined ||
      !current.part.text.isAtBoundary ||
      delta.outputIndex !== current.outputIndex ||
      delta.contentIndex !== current.part.index ||
      !hasItemId(frame, delta, current.id) ||
      delta.hasSurrogate
    ) {
      return false;
    }
    this.#addSize(delta.to - delta.from);
    current.part.text.addEscaped(frame, delta.from, delta.to);
    return true;
  }

  /**
   * Whether the event repeats the one before it. Equal bytes only show this if sequence numbers increase, since two deltas may have the
   * same text. Records the event's number and bytes for the next call.
   */
  #isRepeated(event: UpstreamEvent, bytes: Frame | undefined): boolean {
    // Reading `data` would parse a text delta.
    const number = event.delta === undefined ? event.data["sequence_number"] : event.delta.sequenceNumber;
    const before = this.#lastNumber;
    const isSame =
      this.#isInOrder &&
      before !== undefined &&
      (number === before || typeof number !== "number") &&
      isSameFrame(bytes, this.#lastFrame);
    this.#lastFrame = bytes;
    this.#isLate = typeof number === "number" && before !== undefined && number < before;
    if (typeof number !== "number") return isSame;
    if (!isSame && before !== undefined && number <= before) this.#isInOrder = false;
    this.#lastNumber = number;
    return isSame;
  }

  #addToItem(role: Exclude<EventRole, { is: "lifecycle" }>, event: UpstreamEvent): void {
    const { data } = event;
    switch (role.is) {
      case "item added": {
        const { item } = data;
        if (!isRecord(item)) return;
        const type = typeOfItem(item);
        const target = this.#findAdded(data, item, type) ?? this.#create(type);
        this.#identify(target, data, item);
        target.add(item, type, event);
        return;
      }
      case "item done": {
        const { item } = data;
        if (!isRecord(item)) return;
        const type = typeOfItem(item);
        const found = this.#find(data, type, item);
        const isOther = found?.isClosed === true && !isRepetition(found, item);
        const target = found === undefined || isOther ? this.#createIfTyped(type) : found;
        if (target === undefined) return;
        this.#identify(target, data, item);
        target.finish(item, type, event);
        return;
      }
      case "part added":
      case "part done": {
        this.#addPart(role.is, role.list, event);
        return;
      }
      case "text delta":
      case "text done": {
        const { kind } = role;
        const { list, indexKey, textKey } = PART_FORMS[kind];
        const text = role.is === "text delta" ? deltaOf(data["delta"]) : data[textKey];
        if (typeof text !== "string") return;
        const isDone = role.is === "text done";
        const index = data[indexKey];
        const isFinished = (item: StreamedItem): boolean =>
          isDone && item.findFinishedPart(list, kind, index, text) !== undefined;
        const target = this.#findOrCreate(data, role.itemType, isFinished);
        // The event that finished the item had its complete text.
        if (target === undefined || target.isClosed) return;
        const found = isDone ? target.findFinishedPart(list, kind, index, text) : target.findPart(list, kind, index);
        const part = found ?? target.addPart(list, kind, index);
        if (isDone) {
          part.textDone = event;
          part.finals.push(text);
        } else {
          target.addText(part, text, event);
          if (kind === "output_text" && target.isAnnounced && !part.isClosed)
            this.#current = { part, outputIndex: target.index, id: utf8Of(target.id) };
        }
        return;
      }
      case "arguments delta": {
        const delta = deltaOf(data["delta"]);
        if (delta !== undefined) this.#findOrCreate(data, role.itemType)?.addArguments(delta, event);
        return;
      }
      case "arguments done": {
        if (data["arguments"] === undefined && data["input"] === undefined && data["code"] === undefined) return;
        const isFinished = (item: StreamedItem): boolean => item.hasArguments(data);
        this.#findOrCreate(data, role.itemType, isFinished)?.finishArguments(event);
        return;
      }
      case "annotation": {
        const index = data["content_index"];
        if (!isRecord(data["annotation"])) return;
        const target = this.#findOrCreate(data, "message");
        if (target === undefined || target.isClosed) return;
        const part =
          target.findPart("content", "output_text", index) ?? target.addPart("content", "output_text", index);
        target.addAnnotation(part, data["annotation"], event);
        return;
      }
      case "progress": {
        this.#find(data, role.itemType)?.emitProgress(event);
        return;
      }
      default:
    }
  }

  /** Forwards an event that is not about an item. Nothing of it is stored. */
  #addOther(event: UpstreamEvent): void {
    if (event.data["item_id"] !== undefined || event.data["output_index"] !== undefined) return;
    this.#hasOther = true;
    this.#out.push(event);
  }

  #addPart(is: "part added" | "part done", list: "content" | "summary", event: UpstreamEvent): void {
    const { data } = event;
    const fields = objectOf(data["part"]);
    const isReasoning = list === "summary" || fields["type"] === "reasoning_text";
    const type = isReasoning ? "reasoning" : "message";
    const kind = kindOfPart(fields, list, type);
    // Without a type, the part adds nothing to the events of its text.
    if (kind === undefined && textOf(fields["type"]) === "") return;
    const index = data[list === "summary" ? "summary_index" : "content_index"];
    const text = kind === undefined ? undefined : fields[PART_FORMS[kind].textKey];
    const isFinished = (item: StreamedItem): boolean =>
      is === "part done" && item.findFinishedPart(list, kind, index, textOf(text)) !== undefined;
    const target = this.#findOrCreate(data, type, isFinished);
    if (target === undefined || target.isClosed) return;
    if (is === "part added") {
      const found = target.findPart(list, kind, index);
      // A duplicated or late event is about a part that is already known. Some relays give the same index to all parts.
      const isFinished = found !== undefined && (found.partDone !== undefined || found.textDone !== undefined);
      const isKnown =
        found !== undefined &&
        (!found.wasAdded || (!isFinished && (found.upstreamIndex !== undefined || found.text.isEmpty)));
      const part = isKnown ? found : target.addPart(list, kind, index, event);
      part.wasAdded = true;
      if (isKnown && !part.isClosed) part.addFields(fields);
      return;
    }
    const part = target.findFinishedPart(list, kind, index, textOf(text)) ?? target.addPart(list, kind, index);
    if (part.isClosed) return;
    part.partDone = event;
    part.addFields(fields);
    if (typeof text === "string") part.finals.push(text);
  }

  /**
   * Finds or creates the item that an event is about, and announces it as soon as possible.
   * @param isFinished whether the event finishes something in an open item, although it has another id or index
   * @returns undefined if the event names an open item of another type, so that the event is ignored
   */
  #findOrCreate(
    data: JsonObject,
    type: string,
    isFinished: (item: StreamedItem) => boolean = () => false,
  ): StreamedItem | undefined {
    const found = this.#find(data, type);
    if (found === undefined && this.#named(data)?.isClosed === false) return undefined;
    const open = this.#items.slice(-MAX_SEARCHED).findLast((item) => !item.isClosed && item.type === type);
    const target = found ?? (open !== undefined && isFinished(open) ? open : this.#create(type));
    if (found === undefined && target !== open) target.isDoubtful = open?.wasAdded === true;
    this.#identify(target, data, {});
    if (target.type === undefined) {
      target.type = type;
      target.announce();
    }
    // A message or a reasoning item without `output_item.added` is announced by its first event. A call waits for its name.
    if (!target.isAnnounced) target.announce();
    return target;
  }

  /** Returns the item that the event names by its id or index, if upstream has sent `output_item.added` for it. */
  #named({ item_id, output_index }: JsonObject): StreamedItem | undefined {
    const byIndex = typeof output_index === "number" ? this.#byIndex.get(output_index) : undefined;
    const named = this.#byId.get(textOf(item_id)) ?? byIndex;
    return named?.wasAdded === true ? named : undefined;
  }

  /**
   * Finds the item that an event is about: by call id, by item id, by output index, or else the last open item of the type. No id or index
   * is reliable: some relays give an item another id in every event, or the same index to all items.
   * @param isNew whether the event announces an item; an item with another call id does not fit then
   * @returns undefined if no item fits
   */
  #find(data: JsonObject, type: string | undefined, item: JsonObject = {}, isNew = false): StreamedItem | undefined {
    const callId = textOf(item["call_id"]);
    const fits = (candidate: StreamedItem | undefined): candidate is StreamedItem =>
      candidate !== undefined && (type === undefined || candidate.type === undefined || candidate.type === type);
    const isSameCall = (candidate: StreamedItem): boolean => canBeSameId(callId, candidate.callId);
    const byCall = this.#byCall.get(callId);
    if (fits(byCall)) return byCall;
    const byId = this.#byId.get(textOf(data["item_id"]) || textOf(item["id"]));
    if (fits(byId) && (!isNew || isSameCall(byId))) return byId;
    const index = data["output_index"];
    const byIndex = typeof index === "number" ? this.#byIndex.get(index) : undefined;
    if (fits(byIndex) && (isSameCall(byIndex) || (!isNew && !byIndex.isClosed))) return byIndex;
    return this.#items
      .slice(-MAX_SEARCHED)
      .findLast(
        (candidate) =>
          !candidate.isClosed &&
          fits(candidate) &&
          isSameCall(candidate) &&
          (typeof index !== "number" || candidate.upstreamIndex === undefined || candidate.upstreamIndex === index),
      );
  }

  /** Finds the item that `output_item.added` is about, if an earlier event was about the same item; undefined for a new item. */
  #findAdded(data: JsonObject, item: JsonObject, type: string | undefined): StreamedItem | undefined {
    const found = this.#find(data, type, item, true);
    if (found === undefined || (!found.wasAdded && !found.isClosed)) return found;
    const id = textOf(item["id"]);
    const isDoubled =
      canBeSameId(id, found.sentId) &&
      canBeSameId(textOf(item["call_id"]), found.callId) &&
      (id !== "" || found.isEmpty);
    const hasOtherIndex =
      found.isClosed && found.upstreamIndex !== undefined && data["output_index"] !== found.upstreamIndex;
    return isDoubled && !hasOtherIndex ? found : undefined;
  }

  #createIfTyped(type: string | undefined): StreamedItem | undefined {
    return type === undefined ? undefined : this.#create(type);
  }

  #create(type: string | undefined): StreamedItem {
    if (this.#items.length >= MAX_ITEMS) throw contradiction("too many items");
    const item = new StreamedItem(this.#itemStream, type);
    this.#items.push(item);
    return item;
  }

  /** Records the ids and the index by which an event names an item. */
  #identify(target: StreamedItem, data: JsonObject, item: JsonObject): void {
    const id = textOf(data["item_id"]) || textOf(item["id"]);
    if (id !== "") {
      if (item["id"] === id || this.#byId.get(id) === undefined) this.#byId.set(id, target);
      target.sentId ||= id;
    }
    const callId = textOf(item["call_id"]);
    if (callId !== "") this.#byCall.set(callId, target);
    const index = data["output_index"];
    if (typeof index === "number") {
      this.#byIndex.set(index, target);
      target.upstreamIndex ??= index;
    }
  }

  /**
   * Adds the items of the terminal response. Each is merged with the streamed item that has its id or call id, or else its text, or else
   * only its type. An item without a streamed one is new.
   */
  #addTerminalItems(items: readonly JsonObject[]): StreamedItem[] {
    const terminal = withoutRepetitions(items);
    const unread: StreamedItem[] = [];
    const open = new Set(this.#items);
    const openByType = (type: string | undefined): StreamedItem[] => {
      const found: StreamedItem[] = [];
      for (const item of open) {
        if (item.type === undefined || item.type === type) found.push(item);
        if (found.length >= MAX_SEARCHED) break;
      }
      return found;
    };
    const matches = new Map<JsonObject, StreamedItem>();
    const match = (item: JsonObject, found: StreamedItem | undefined): void => {
      if (found === undefined || !open.delete(found)) return;
      matches.set(item, found);
    };
    for (const item of terminal) {
      const found = this.#byCall.get(textOf(item["call_id"])) ?? this.#byId.get(textOf(item["id"]));
      if (found !== undefined && (found.type === undefined || found.type === typeOfItem(item))) match(item, found);
    }
    for (const isSimilar of [hasMatchingContent, hasMatchingCallId, isSameCall]) {
      for (const item of terminal) {
        if (matches.has(item)) continue;
        match(
          item,
          openByType(typeOfItem(item)).find((candidate) => isSimilar(candidate, item)),
        );
      }
    }
    let hasNewText = false;
    for (const item of terminal) {
      const type = typeOfItem(item);
      if (type === undefined) continue;
      const found = matches.get(item);
      if (type === "message") {
        const text = textOfItem(item);
        if (found === undefined) hasNewText ||= text !== "";
        // The caller has already received this message, so the new text that precedes it would arrive after it.
        else if (hasNewText && found.text !== "" && this.#isLive) throw contradiction("order");
      }
      const target = found ?? this.#create(type);
      this.#identify(target, {}, item);
      target.addTerminal(item, type);
      const { content } = item;
      const isEmpty = Array.isArray(content) ? content.length === 0 : (content ?? "") === "";
      if (type === "message" && !isEmpty && partsOf(item, "content", type).length === 0) unread.push(target);
    }
    return unread;
  }

  /** Returns the items in the order of upstream's indexes, if they differ. @throws Problem if the caller has texts in another order */
  #orderedOutput(): StreamedItem[] {
    const output = this.#output;
    const indexes = output.map(({ upstreamIndex }) => upstreamIndex);
    const isInOrder = indexes.every((index, at) => index !== undefined && index >= (indexes[at - 1] ?? 0));
    // Some relays give the same index to several items.
    if (isInOrder || indexes.includes(undefined) || new Set(indexes).size < indexes.length) return output;
    const ordered = output.toSorted((a, b) => (a.upstreamIndex ?? 0) - (b.upstreamIndex ?? 0));
    if (!this.#isLive) return ordered;
    const sent = output.filter(hasText);
    if (ordered.filter(hasText).some((item, at) => item !== sent[at])) throw contradiction("order");
    return output;
  }

  #emit(event: UpstreamEvent): void {
    const { type, data } = event;
    const channel = this.#isLive ? CHANNELS[type] : undefined;
    if (channel !== undefined) {
      const index = Number(data["output_index"]);
      if (index < this.#lastIndex[channel] && data["delta"] !== "") throw contradiction("order");
      this.#lastIndex[channel] = index;
    }
    this.#out.push(event);
  }

  /** Returns upstream's call id, or another one if upstream's is missing or taken. An output names its call by this id alone. */
  #claimCallId(callId: string, fallback: string): string {
    const isUsed = this.#callIds.has(callId);
    const claimed = isUsed ? `call_${this.#random(ID_BYTES)}` : callId || fallback;
    this.#callIds.add(claimed);
    return claimed;
  }

  #claimId(id: string, prefix: string): string {
    const isUsable = id !== "" && id.length <= MAX_ID_CHARS && !this.#ids.has(id);
    const claimed = isUsable ? id : `${prefix}_${this.#random(ID_BYTES)}`;
    this.#ids.add(claimed);
    return claimed;
  }

  #addSize(size: number): void {
    this.#size += size;
    if (this.#size <= MAX_SIZE) return;
    throw new Problem(
      "upstream_invalid_response",
      "UniAPI's stream is larger than this Worker accepts. The call may have been billed.",
      { paid: "maybe", reason: "answer too large" },
    );
  }
}

/**
 * Completes a response that was not streamed.
 * @returns the complete response, or the error if it failed
 */
export function repairResponse(response: JsonObject, options: Omit<RepairOptions, "live">): Terminal {
  if (isWholeResponse(response)) return { kind: "response", response };
  return repairAnyResponse(response, options);
}

/** Does the same as repairResponse, without its shortcut for a response that is already complete. */
export function repairAnyResponse(response: JsonObject, options: Omit<RepairOptions, "live">): Terminal {
  const repair = new StreamRepair({ ...options, live: undefined });
  const status = textOf(response["status"]);
  if (status === "failed") return { kind: "error", body: response, hasOutput: itemsOf(response).length > 0, response };
  const isUnfinished = status === "in_progress" || status === "queued";
  if (isUnfinished && itemsOf(response).length === 0) throw malformed("unfinished response");
  return repair.finish(response, isUnfinished ? "incomplete" : status || "completed", []);
}

/** Returns the events that a stream of this response would have had. @param response a result of repairResponse */
export function eventsOfResponse(response: JsonObject): EventBatch {
  const events: EventBatch = [];
  let count = 0;
  const random = (): string => `${(count += 1)}`.padStart(ID_BYTES * 2, "0");
  new StreamRepair({ random, now: 0, live: undefined }).finish(
    response,
    textOf(response["status"]) || "completed",
    events,
  );
  return events;
}

/** Merges the response of an event into that of earlier events. A later value takes precedence, unless it is null or an empty id. */
function mergeResponses(before: JsonObject | undefined, response: JsonObject): JsonObject {
  const merged = { ...before, ...withoutNulls(response) };
  const id = textOf(response["id"]) || textOf(before?.["id"]);
  if (id === "") delete merged["id"];
  else merged["id"] = id;
  return merged;
}

/**
 * Returns the text of a delta; undefined if it has none. Some relays send a number or a part with a `text` instead of a string.
 * @throws Problem upstream_invalid_response for any other value, because it may be text that would be lost
 */
function deltaOf(delta: unknown): string | undefined {
  if (typeof delta === "string") return delta;
  if (delta === undefined || delta === null) return undefined;
  if (typeof delta === "number" || typeof delta === "bigint") return String(delta);
  if (isRecord(delta) && typeof delta["text"] === "string") return delta["text"];
  throw contradiction("a delta that is not text");
}

function isAboutItem(data: JsonObject): boolean {
  return ["item", "part", "delta", "item_id", "output_index"].some((key) => data[key] !== undefined);
}

/** Removes the response and its id from an event about an item. Some relays put a part of the response into every event. */
function withoutResponse(event: UpstreamEvent): UpstreamEvent {
  const { data } = event;
  if (data["response"] === undefined && data["response_id"] === undefined) return event;
  const { response: _, response_id: __, ...rest } = data;
  return { type: event.type, data: rest, frame: undefined };
}

/**
 * Returns the items of a response. `output_text` becomes a message if neither the response nor the stream has one: some relays fill only
 * this shortcut, which the SDKs compute.
 */
function withTextAsItem(response: JsonObject, items: readonly StreamedItem[]): JsonObject[] {
  const terminal = finalItemsOf(response["output"]);
  const text = textOf(response["output_text"]);
  const messages = terminal.filter((item) => typeOfItem(item) === "message");
  const hasContent =
    messages.some((item) => partsOf(item, "content", "message").length > 0) ||
    items.some((item) => item.type === "message" && !item.isEmpty);
  if (text === "" || hasContent) return terminal;
  const [hollow] = messages;
  if (hollow === undefined) return [...terminal, { type: "message", role: "assistant", content: text }];
  return terminal.map((item) => (item === hollow ? { ...item, content: text } : item));
}

/** Leaves out items that a relay lists twice: those with the same id and the same content as one before them. */
function withoutRepetitions(items: readonly JsonObject[]): JsonObject[] {
  const known = new Map<string, JsonObject>();
  return items.filter((item) => {
    const id = textOf(item["id"]) || textOf(item["call_id"]);
    const before = known.get(id);
    if (id !== "") known.set(id, item);
    return id === "" || before === undefined || !isEqual(before, item);
  });
}

function hasText({ text }: StreamedItem): boolean {
  return text !== "";
}

function textOfItem(item: JsonObject): string {
  return partsOf(item, "content", typeOfItem(item) ?? "message")
    .map(({ text }) => text)
    .join("");
}

/** Whether a finished item repeats a closed one. If it does not, a relay gave the same index to two items. */
function isRepetition(closed: StreamedItem, item: JsonObject): boolean {
  const id = textOf(item["id"]);
  const callId = textOf(item["call_id"]);
  if ((id !== "" && id === closed.sentId) || (callId !== "" && callId === closed.callId)) return true;
  return closed.type !== "message" || textOfItem(item) === closed.text;
}

/** Whether an item of the terminal response has a matching call id and, for a message, continues or shortens the streamed text. */
function hasMatchingContent(candidate: StreamedItem, item: JsonObject): boolean {
  if (!hasMatchingCallId(candidate, item)) return false;
  if (candidate.type !== "message") return true;
  const streamed = candidate.text;
  const text = textOfItem(item);
  return streamed.startsWith(text) || text.startsWith(streamed);
}

/** Whether an item of the terminal response has the call id of the streamed one, or one of the two has none. */
function hasMatchingCallId(candidate: StreamedItem, item: JsonObject): boolean {
  return canBeSameId(textOf(item["call_id"]), candidate.callId);
}

/** Whether an item of the terminal response is the same call under another call id. */
function isSameCall(candidate: StreamedItem, item: JsonObject): boolean {
  return candidate.isSameCall(item);
}

/** Whether two ids are equal, or one of them is missing. */
function canBeSameId(a: string, b: string): boolean {
  return a === "" || b === "" || a === b;
}

function isSameFrame(a: Frame | undefined, b: Frame | undefined): boolean {
  if (a === undefined || b === undefined || a.length !== b.length) return false;
  for (let at = 0; at < a.length; at += 1) if (a[at] !== b[at]) return false;
  return true;
}
