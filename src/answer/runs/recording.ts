// The recording of one upstream call, as lines of JSON: the opening line, the events in their order, and exactly one end. `record` makes
// the call and writes the lines; playback.ts reads them. A recording for POST /ask contains the events of /ask instead of upstream's.
// Callers refer to them by number (Last-Event-ID), so a later deployment must not cut or count them differently.
import type { AskEvent } from "../../contract/answer.ts";
import type { CacheEntryAge } from "../../core/cache/cached-answer.ts";
import type { JsonObject } from "../../core/lib/json.ts";
import { formatEvent } from "../../core/lib/sse.ts";
import { toProblem, Problem, type ProblemCode, type ProblemDetails } from "../../core/lib/problem.ts";
import type { Caller, Deps } from "../../deps.ts";
import type { LogFields } from "../../platform/log.ts";
import { answer, type Question, type StreamedAnswer, type WholeAnswer } from "../answer.ts";
import { type StreamedAskReply, toAskReply, type WholeAskReply } from "../ask-reply.ts";
import type { FinishedAnswer } from "../pending-turn.ts";

/** Far more than the largest answer that StreamRepair accepts, including the framing of its events. */
const MAX_RECORDING_BYTES = 128 * 1_048_576;

/** The data that a run needs to make its call. */
export interface RunSpec {
  /** `ask`: the recording contains the events of POST /ask. `responses`: it contains upstream's complete events as frames. */
  form: "ask" | "responses";
  question: Question;
  caller: Caller;
  /** The id of the request that started the run. */
  requestId: string;
}

/** The first line of a streamed answer. `id` is the answer's signed id. */
export interface Opening {
  id: string;
  previousId: string | null;
  headers: Record<string, string>;
}

/** Log fields of the call, for the requests that read the recording. */
interface Logged {
  logFields: Partial<LogFields>;
}

interface WholeLine extends Logged {
  headers: Record<string, string>;
  cacheEntry?: CacheEntryAge | undefined;
}

export type RecordingLine = ({ open: Opening } & Logged) | { events: AskEvent[] } | { frames: string[] } | RecordingEnd;

export type RecordingEnd =
  | ({ events: AskEvent[]; stored: boolean } & Logged)
  | ({ frames: string[]; finished: FinishedAnswer } & Logged)
  | ({ wholeEvents: AskEvent[] } & WholeLine)
  | ({ whole: FinishedAnswer } & WholeLine)
  | ({ problem: ProblemData; failedResponse?: JsonObject | undefined } & Logged);

/** Whether the line is the last of a recording. */
export function isEnd(line: RecordingLine): line is RecordingEnd {
  return "logFields" in line && !("open" in line);
}

/** A Problem as plain data. */
export interface ProblemData {
  code: ProblemCode;
  message: string;
  details: ProblemDetails;
}

export interface Outcome {
  /** True if the call may have been paid: then every repeated request gets this recording. If false, the next request makes a new call. */
  isFinal: boolean;
  logFields: LogFields;
}

/**
 * Makes the call and writes every line of its recording. The call always streams, and its answer has one id from the start, so that
 * requests with and without `stream` can join the run. Never throws: a failure becomes the recording's last line.
 * @param write writes a line, and returns its length in bytes
 */
export async function record(
  loadDeps: () => Promise<Deps>,
  { form, question, caller, requestId }: RunSpec,
  waitUntil: (work: Promise<unknown>) => void,
  write: (line: RecordingLine) => number,
): Promise<Outcome> {
  const logFields: LogFields = { request_id: requestId, route: "run", caller: caller.kind };
  let deps: Deps | undefined;
  let cancel: (() => void) | undefined;
  let failedResponse: (() => JsonObject) | undefined;
  try {
    deps = await loadDeps();
    // There is no signal, so the call continues even if every caller disconnects.
    const context = { requestId, caller, signal: undefined, waitUntil, logFields };
    const answerOrStream = await answer(deps, { ...question, stream: true }, context);
    const reply = form === "ask" ? toAskReply(answerOrStream, requestId, question.composed.body.model) : answerOrStream;
    if (reply.kind === "whole") {
      write(wholeLine(reply, logFields));
      return { isFinal: true, logFields };
    }
    ({ cancel } = reply);
    write({
      open: { id: reply.id, previousId: reply.previousId, headers: reply.headers },
      logFields: callFields(logFields),
    });
    const next = "failedResponse" in reply ? frameLines(reply, logFields) : eventLines(reply, logFields);
    if ("failedResponse" in reply) ({ failedResponse } = reply);
    for (let bytes = 0; ;) {
      const line = await next();
      if ("events" in line && line.events.length === 0) continue;
      bytes += write(line);
      if (isEnd(line)) return { isFinal: true, logFields };
      if (bytes > MAX_RECORDING_BYTES) throw recordingTooLarge();
    }
  } catch (error) {
    cancel?.();
    const problem = toProblem(error, logFields.upstream_called);
    logFields.code = problem.code;
    logFields.reason = problem.details.reason;
    // The recording does not contain the stack, so a request that reads it can't log it.
    deps?.log.exception(requestId, problem);
    write({ problem: toProblemData(problem), failedResponse: failedResponse?.(), logFields: callFields(logFields) });
    return { isFinal: problem.details.paid === "maybe", logFields };
  }
}

function wholeLine(reply: WholeAnswer | WholeAskReply, logFields: LogFields): RecordingEnd {
  const { headers, cacheEntry } = reply;
  const common = { headers, cacheEntry, logFields: callFields(logFields) };
  return "finished" in reply ? { whole: reply.finished, ...common } : { wholeEvents: reply.events(), ...common };
}

function eventLines(reply: StreamedAskReply, logFields: LogFields): () => Promise<RecordingLine> {
  return async () => {
    const { events, end } = await reply.next();
    return end === undefined ? { events } : { events, stored: end.stored, logFields: callFields(logFields) };
  };
}

function frameLines(reply: StreamedAnswer, logFields: LogFields): () => Promise<RecordingLine> {
  const decoder = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });
  return async () => {
    const { events, finished } = await reply.next();
    const frames = events.map(({ frame, type, data }) =>
      frame === undefined ? formatEvent(undefined, type, JSON.stringify(data)) : decoder.decode(frame),
    );
    return finished === undefined ? { frames } : { frames, finished, logFields: callFields(logFields) };
  };
}

export function toProblemData({ code, message, details }: Problem): ProblemData {
  return { code, message, details };
}

export function problemFromData({ code, message, details }: ProblemData): Problem {
  return new Problem(code, message, details);
}

/** The problem that ends a recording if the run's object was stopped during the call. */
export function runInterrupted(): Problem {
  return new Problem(
    "upstream_error",
    "The answer was interrupted because this Worker was stopped or redeployed. The call may have been billed; to send the request again, use a new Idempotency-Key.",
    { paid: "maybe", reason: "run interrupted" },
  );
}

function recordingTooLarge(): Problem {
  return new Problem(
    "upstream_invalid_response",
    "UniAPI's stream is too large to record. The call may have been billed.",
    {
      paid: "maybe",
      reason: "recording too large",
    },
  );
}

/** Omits the fields of the run itself, because the log line that receives the call's fields has its own request, route and outcome. */
function callFields(logFields: LogFields): Partial<LogFields> {
  const { request_id: _, route: __, caller: ___, code: ____, reason: _____, ...rest } = logFields;
  return rest;
}
