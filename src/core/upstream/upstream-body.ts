// What UniAPI's 2xx bodies hold, whatever their dress: a response object after heartbeat lines, an event stream that nobody asked for,
// an error under HTTP 200, a last event without its blank line.
import { Assembly, eventType } from "./assembly.ts";
import { decodeUtf8, isRecord, type JsonObject, parseJson } from "../lib/json.ts";
import { Problem } from "../lib/problem.ts";
import { type Frame, parseFrame } from "../lib/sse.ts";
import { cutProblem } from "./upstream-error.ts";

/** The response object in a 2xx body: after heartbeat lines, or, from a relay that streams unasked, at the end of an event stream. */
export function readResponse(bytes: Uint8Array, fault: (body: JsonObject) => Problem): JsonObject {
  let text: string;
  try {
    text = decodeUtf8(bytes).trim();
  } catch {
    throw unreadableProblem("UniAPI's answer is not well-formed UTF-8.", "invalid utf-8");
  }
  const body = parseJson(text) ?? lastResponse(text, fault);
  if (isRecord(body)) {
    // A response has a status, also one that failed; an error with an empty output beside it has none.
    if (isRecord(body["error"]) && typeof body["status"] !== "string") throw fault(body);
    if (Array.isArray(body["output"]) || body["object"] === "response" || typeof body["output_text"] === "string")
      return body;
  }
  throw unreadableProblem("UniAPI's answer is not a response object.", "not a response");
}

function lastResponse(text: string, fault: (body: JsonObject) => Problem): JsonObject | undefined {
  if (!/^(?:event|data|id|retry)?:/.test(text)) return undefined;
  const assembly = new Assembly();
  let events = 0;
  for (const part of text.split(/\r\n\r\n|\n\n|\r\r/)) {
    const event = parseFrame(part);
    const data = event === undefined ? undefined : parseJson(event.data);
    if (event === undefined || !isRecord(data)) continue;
    events += 1;
    const terminal = assembly.add(eventType(data, event.event), data);
    if (terminal?.kind === "error") throw fault(terminal.body);
    if (terminal !== undefined) return terminal.response;
  }
  if (events > 0) throw cutProblem();
  return undefined;
}

/** The frame with the blank line that the end of the stream stood for: what is written behind it must not run into it. */
export function withBlankLine(frame: Frame): Frame {
  const whole = new Uint8Array(frame.length + 2);
  whole.set(frame);
  return whole.fill(0x0a, frame.length);
}

/** A relay may forget the last blank line; an event that was cut in the middle is no event. */
export function isWholeEvent(frame: Frame): boolean {
  try {
    const event = parseFrame(decodeUtf8(frame));
    return event !== undefined && isRecord(parseJson(event.data));
  } catch {
    return false;
  }
}

/** A 2xx answer that is none. @param reason for the log */
export function unreadableProblem(message: string, reason: string): Problem {
  return new Problem("upstream_invalid_response", `${message} The call may have been paid.`, { paid: "maybe", reason });
}
