// One event of a Responses stream, as upstream sent it or as stream-repair.ts completed it.
import { decodeUtf8, isRecord, type JsonObject, parseJson, textOf } from "../lib/json.ts";
import { Problem } from "../lib/problem.ts";
import { type Frame, parseFrame } from "../lib/sse.ts";
import { readTextDelta, TEXT_DELTA, type TextDelta } from "./text-delta.ts";

export interface UpstreamEvent {
  type: string;
  readonly data: JsonObject;
  /** Upstream's own bytes with the blank line. Undefined if the Worker made or changed the event, or if a client may fail to read them. */
  frame: Frame | undefined;
  /** Set for a text delta whose frame can be forwarded without parsing it. Its `data` is parsed when it is first accessed. */
  delta?: TextDelta;
}
export type EventBatch = UpstreamEvent[];

/**
 * Reads the event of a frame.
 * @returns undefined for a frame without one, such as a comment or `[DONE]`
 * @throws Problem upstream_invalid_response for malformed UTF-8 or JSON
 */
export function readFrame(frame: Frame): UpstreamEvent | undefined {
  const delta = readTextDelta(frame);
  return delta === undefined ? parseEvent(frame) : new TextEvent(frame, delta);
}

/** An event that is parsed when its `data` is first accessed. Most events are text deltas, and most of those are never parsed. */
class TextEvent implements UpstreamEvent {
  readonly type = TEXT_DELTA;
  readonly frame: Frame;
  readonly delta: TextDelta;
  #data: JsonObject | undefined;

  constructor(frame: Frame, delta: TextDelta) {
    this.frame = frame;
    this.delta = delta;
  }

  get data(): JsonObject {
    this.#data ??= parseEvent(this.frame)?.data ?? {};
    return this.#data;
  }
}

/** Matches a frame that every client can read. The event of any other frame, such as a bare line of JSON, is serialized again. */
const PLAIN_FRAME = /^(?:event: [^\r\n]*\n)?data: [^\r\n]*\n\n$/;

/** @throws Problem upstream_invalid_response */
function parseEvent(frame: Frame): UpstreamEvent | undefined {
  let event;
  let text;
  try {
    text = decodeUtf8(frame);
    event = parseFrame(text);
  } catch {
    throw malformed();
  }
  if (event === undefined || event.data === "" || event.data === "[DONE]") return undefined;
  const data = parseJson(event.data);
  if (data === undefined) throw malformed();
  // Some relays send `null` or a text to keep a connection open.
  if (!isRecord(data)) return undefined;
  const type = eventType(data, event.event);
  const isPlain = PLAIN_FRAME.test(text) && (event.event === "" || event.event === type);
  return { type, data, frame: isPlain ? frame : undefined };
}

export function malformed(reason = "malformed event"): Problem {
  return new Problem("upstream_invalid_response", "UniAPI's answer can't be read. The call may have been billed.", {
    paid: "maybe",
    reason,
  });
}

/**
 * Returns the type of an event: `type` in its data, else its `event:` line. After the line `event: error`, the data may be the error
 * itself, whose `type`, such as `server_error`, does not name an event.
 */
export function eventType(data: JsonObject, eventLine: string): string {
  const type = textOf(data["type"]);
  return type === "" || (eventLine === "error" && !type.startsWith("response.")) ? eventLine : type;
}

/**
 * Whether the event ends the stream with an error. Its type is `error`, with the error's fields beside the type or nested in `error`; or it
 * has an `error` object and no `response`.
 */
export function isErrorEvent(type: string, data: JsonObject): boolean {
  if (type === "error") return true;
  const { error } = data;
  if (!isRecord(error) || isRecord(data["response"])) return false;
  // An event of an item may have the item's own error. One item, such as a tool call, may fail while the answer continues.
  const isOfItem = data["item_id"] !== undefined || data["output_index"] !== undefined || data["delta"] !== undefined;
  return (
    !type.startsWith("response.") || (!isOfItem && (textOf(error["code"]) !== "" || textOf(error["message"]) !== ""))
  );
}
