// Reads UniAPI's 2xx bodies in all their forms: a response object after heartbeat lines, an event stream that was not requested, an error
// with HTTP status 200, and a last event without its blank line.
import { Assembly, eventType } from "./assembly.ts";
import { concatBytes } from "../lib/bytes.ts";
import { decodeUtf8, isRecord, type JsonObject, parseJson } from "../lib/json.ts";
import { Problem } from "../lib/problem.ts";
import { type Frame, parseFrame } from "../lib/sse.ts";
import { cutProblem } from "./upstream-error.ts";

/**
 * Finds the response object in a 2xx body. It may follow heartbeat lines, or be at the end of an event stream that was not requested.
 * @param toProblem converts an error in the body to a Problem
 * @throws Problem upstream_invalid_response, or the problem that `toProblem` returns
 */
export function readResponse(bytes: Uint8Array, toProblem: (body: JsonObject) => Problem): JsonObject {
  let text: string;
  try {
    text = decodeUtf8(bytes).trim();
  } catch {
    throw unreadableProblem("UniAPI's answer is not well-formed UTF-8.", "invalid utf-8");
  }
  const body = parseJson(text) ?? lastResponse(text, toProblem);
  if (isRecord(body)) {
    // Every response has a status, even a failed one. An error body may have an empty `output`, but it has no status.
    if (isRecord(body["error"]) && typeof body["status"] !== "string") throw toProblem(body);
    if (Array.isArray(body["output"]) || body["object"] === "response" || typeof body["output_text"] === "string")
      return body;
  }
  throw unreadableProblem("UniAPI's answer is not a response object.", "not a response");
}

function lastResponse(text: string, toProblem: (body: JsonObject) => Problem): JsonObject | undefined {
  if (!/^(?:event|data|id|retry)?:/.test(text)) return undefined;
  const assembly = new Assembly();
  let events = 0;
  for (const part of text.split(/\r\n\r\n|\n\n|\r\r/)) {
    const event = parseFrame(part);
    const data = event === undefined ? undefined : parseJson(event.data);
    if (event === undefined || !isRecord(data)) continue;
    events += 1;
    const terminal = assembly.add(eventType(data, event.event), data);
    if (terminal?.kind === "error") throw toProblem(terminal.body);
    if (terminal !== undefined) return terminal.response;
  }
  if (events > 0) throw cutProblem();
  return undefined;
}

const BLANK_LINE = new Uint8Array([0x0a, 0x0a]);

/** Adds the blank line that a stream's last frame may lack, so that the frame after it does not become part of it. */
export function withBlankLine(frame: Frame): Frame {
  return concatBytes([frame, BLANK_LINE]);
}

/** Whether a frame without a blank line is complete. A relay may have left out the line, or the stream was cut inside an event. */
export function isCompleteEvent(frame: Frame): boolean {
  try {
    const event = parseFrame(decodeUtf8(frame));
    return event !== undefined && isRecord(parseJson(event.data));
  } catch {
    return false;
  }
}

/** The problem for a 2xx body that is not a response object. The call is maybe paid. @param reason the reason for the log */
export function unreadableProblem(message: string, reason: string): Problem {
  return new Problem("upstream_invalid_response", `${message} The call may have been billed.`, {
    paid: "maybe",
    reason,
  });
}
