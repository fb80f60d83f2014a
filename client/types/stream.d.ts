// Generated from src/client by `npm run build:client`: edit there.
import type { Call } from "./call.js";
import type { ResumeToken } from "./question.js";
import type { Answer, AskEvent } from "./types.js";
/** The events of an answer. The request is sent when the first event is read. */
export interface AnswerStream extends AsyncIterable<AskEvent> {
    /**
     * The argument of `resume`, which continues after the last event that was read. The token changes with each event, so copy it as JSON.
     */
    readonly resumeToken: ResumeToken;
    /**
     * Reads the rest of the stream and returns the answer.
     * @throws AskError, an error of the `token` function, or the reason of an aborted signal; an AbortError if `return()` was called before
     * the end
     */
    answer(): Promise<Answer>;
    next(): Promise<IteratorResult<AskEvent, undefined>>;
    /** Closes the connection immediately. A `break` in a loop does the same. */
    return(): Promise<IteratorResult<AskEvent, undefined>>;
}
/**
 * Creates the stream of one answer.
 * @param from the question and where to resume, for a POST. If it is absent, the request is a GET
 * @param streamed if falsy, the answer is one JSON body, without events
 * @param conversation its id is set when the answer is complete: in a stream, just before `done` is yielded
 */
export declare function openStream(call: Call, path: string, from?: ResumeToken, streamed?: boolean, signal?: AbortSignal, conversation?: {
    id?: string | null;
}): AnswerStream;
