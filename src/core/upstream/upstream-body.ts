// Reads UniAPI's 2xx bodies in all their forms: a response object after heartbeat lines, an event stream that was not requested, an error
// with HTTP status 200, and a last event without its blank line.
import { concatBytes, utf8Of } from "../lib/bytes.ts";
import { decodeUtf8, isRecord, type JsonObject, parseJson } from "../lib/json.ts";
import { Problem } from "../lib/problem.ts";
import { type Frame, parseFrame } from "../lib/sse.ts";
import { eventType } from "./event.ts";
import { type RepairOptions, StreamRepair } from "./stream-repair.ts";
import { cutProblem } from "./upstream-error.ts";

/** A longer text that is not JSON is not taken for an error. */
const MAX_SENTENCE_CHARS = 500;

/**
 * Finds the response object in a 2xx body. It may follow heartbeat lines, or be at the end of an event stream that was not requested.
 * @param toProblem converts an error in the body to a Problem
 * @param options used to complete the response in such a stream
 * @throws Problem upstream_invalid_response; upstream_error if such a stream is cut off; or the problem that `toProblem` returns
 */
export function readResponse(
  bytes: Uint8Array,
  toProblem: (body: JsonObject) => Problem,
  { random, now }: Pick<RepairOptions, "random" | "now">,
): JsonObject {
  let text: string;
  try {
    text = decodeUtf8(bytes).trim();
  } catch {
    throw unreadableProblem("UniAPI's answer is not well-formed UTF-8.", "invalid utf-8");
  }
  const body = parseJson(text) ?? readUnrequestedStream(text, toProblem, { random, now });
  if (isRecord(body)) {
    // Every response has a status, even a failed one. An error body may have an empty `output`, but it has no status.
    if (isRecord(body["error"]) && typeof body["status"] !== "string") throw toProblem(body);
    if (Array.isArray(body["output"]) || body["object"] === "response" || typeof body["output_text"] === "string")
      return body;
  }
  // It may be an error without `error`, a list, or a sentence. An answer that was cut off is no sentence, and its words are not an error's.
  const isSentence = text.length <= MAX_SENTENCE_CHARS && /^[\p{L}\d]/u.test(text);
  if (body !== undefined || isSentence) {
    const problem = toProblem(isRecord(body) ? body : { error: body ?? text });
    if (problem.code !== "upstream_error") throw problem;
  }
  throw unreadableProblem("UniAPI's answer is not a response object.", "not a response");
}

function readUnrequestedStream(
  text: string,
  toProblem: (body: JsonObject) => Problem,
  { random, now }: Pick<RepairOptions, "random" | "now">,
): JsonObject | undefined {
  if (!/^(?:event|data|id|retry)?:/.test(text)) return undefined;
  const repair = new StreamRepair({ random, now, live: undefined });
  let hasEvent = false;
  for (const part of text.split(/\r\n\r\n|\n\n|\r\r/)) {
    const event = parseFrame(part);
    const data = event === undefined ? undefined : parseJson(event.data);
    if (event === undefined || !isRecord(data)) continue;
    hasEvent = true;
    // The bytes are needed to recognize an event that was sent twice.
    const terminal = repair.push({ type: eventType(data, event.event), data, frame: utf8Of(part) }, []);
    if (terminal?.kind === "error") throw paidAfterOutput(toProblem(terminal.body), terminal.hasOutput);
    if (terminal !== undefined) return terminal.response;
  }
  if (hasEvent) throw cutProblem();
  return undefined;
}

/** Returns the problem for an error in an answer. After output, the call is maybe paid, whatever the error says. */
export function paidAfterOutput(problem: Problem, hasOutput: boolean): Problem {
  return hasOutput ? new Problem(problem.code, problem.message, { ...problem.details, paid: "maybe" }) : problem;
}

const BLANK_LINE = new Uint8Array([0x0a, 0x0a]);

/** Adds the blank line that a stream's last frame may lack, so that the frame after it does not become part of it. */
export function withBlankLine(frame: Frame): Frame {
  return concatBytes([frame, BLANK_LINE]);
}

/** Whether a frame without a blank line is complete. If it is, a relay omitted the line; if not, the stream was cut inside an event. */
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
