// An answer as lines of JSON, so that it can be kept and heard again by whoever comes later: how it opened, upstream's frames as they
// came, and one end, which is what came of them or why it failed. `record` writes them, playback.ts reads them.
import type { CacheEntryAge } from "../../core/cache/cache-status.ts";
import { asProblem, Problem, type ProblemCode, type ProblemDetails } from "../../core/lib/problem.ts";
import type { Caller, Deps } from "../../deps.ts";
import type { LogFields } from "../../platform/log.ts";
import { answer, type Question } from "../answer.ts";
import type { FinishedAnswer } from "../pending-turn.ts";

/** Far more than the largest answer that Assembly takes, with its framing. */
const MAX_RECORDING_CHARS = 128 * 1_048_576;

/** What a flight needs to ask by itself: plain data. */
export interface RunSpec {
  question: Question;
  caller: Caller;
  /** Of the request that started it. */
  requestId: string;
}

export interface Opening {
  id: string | undefined;
  previousId: string | null;
  headers: Record<string, string>;
}

/** `facts`: what the log of the request that started the flight is to say. */
export type RecordingLine =
  | { open: Opening; logFields: Partial<LogFields> }
  | { frames: string[] }
  | { frames: string[]; finished: FinishedAnswer; logFields: Partial<LogFields> }
  | {
      whole: FinishedAnswer;
      headers: Record<string, string>;
      kept?: CacheEntryAge | undefined;
      logFields: Partial<LogFields>;
    }
  | { problem: ProblemData; logFields: Partial<LogFields> };

export interface ProblemData {
  code: ProblemCode;
  message: string;
  details: ProblemDetails;
}

export interface Outcome {
  /** It may have been paid: this is what every repetition gets. */
  keep: boolean;
  logFields: LogFields;
}

/** Asks, as a stream whatever the question wanted and under one id, and writes down all that comes. Never throws. */
export async function record(
  connect: () => Promise<Deps>,
  { question, caller, requestId }: RunSpec,
  waitUntil: (work: Promise<unknown>) => void,
  write: (line: RecordingLine) => void,
): Promise<Outcome> {
  const logFields: LogFields = { request_id: requestId, route: "flight", caller: caller.kind };
  const decoder = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });
  let leave: (() => void) | undefined;
  try {
    // Nobody's leaving ends it.
    const context = { requestId, caller, signal: undefined, waitUntil, logFields };
    const got = await answer(await connect(), { ...question, stream: true, idFirst: true }, context);
    if (got.kind === "whole") {
      write({ whole: got.finished, headers: got.headers, kept: got.cacheEntry, logFields: told(logFields) });
      return { keep: true, logFields };
    }
    leave = got.cancel;
    write({ open: { id: got.id, previousId: got.previousId, headers: got.headers }, logFields: told(logFields) });
    for (let chars = 0; ;) {
      const { events, finished } = await got.next();
      const frames = events.map(({ frame }) => decoder.decode(frame));
      for (const frame of frames) chars += frame.length;
      if (chars > MAX_RECORDING_CHARS) throw tooLong();
      write(finished === undefined ? { frames } : { frames, finished, logFields: told(logFields) });
      if (finished !== undefined) return { keep: true, logFields };
    }
  } catch (error) {
    leave?.();
    const problem = asProblem(error, logFields.asked);
    logFields.code = problem.code;
    logFields.reason = problem.details.reason;
    write({ problem: toProblemData(problem), logFields: told(logFields) });
    return { keep: problem.details.paid === "maybe", logFields };
  }
}

export function toProblemData({ code, message, details }: Problem): ProblemData {
  return { code, message, details };
}

export function toProblem({ code, message, details }: ProblemData): Problem {
  return new Problem(code, message, details);
}

/** The end of a recording whose object stopped in the middle. */
export function runInterrupted(): Problem {
  return new Problem(
    "upstream_error",
    "The answer broke off inside this Worker, which was stopped or deployed anew. The call may have been paid; to ask again take a fresh Idempotency-Key.",
    { paid: "maybe", reason: "flight broke" },
  );
}

function tooLong(): Problem {
  return new Problem(
    "upstream_invalid_response",
    "UniAPI's stream says more than this Worker keeps. The call may have been paid.",
    {
      paid: "maybe",
      reason: "recording too large",
    },
  );
}

/** The starter's line has its own request and route, and says for itself how it ended. */
function told(logFields: LogFields): Partial<LogFields> {
  const { request_id: _, route: __, caller: ___, code: ____, reason: _____, ...rest } = logFields;
  return rest;
}
