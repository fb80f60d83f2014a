// Generated from src/client by `npm run build:client`: edit there.
import type { Call } from "./call.js";
import type { ResumeToken } from "./question.js";
import type { Answer, AskEvent } from "./wire.js";
/** The events of an answer. The request is sent when the first event is read. */
export interface AnswerStream extends AsyncIterable<AskEvent> {
    /** For `resume`, which continues after the last event that was read. It changes with the stream, so copy it as JSON. */
    readonly resumeToken: ResumeToken;
    /** Reads the rest of the stream and returns the answer. */
    answer(): Promise<Answer>;
    next(): Promise<IteratorResult<AskEvent, undefined>>;
    /** Closes the connection at once. A `break` in a loop does the same. */
    return(): Promise<IteratorResult<AskEvent, undefined>>;
}
/**
 * @param from absent: a GET
 * @param streamed false: the answer is one JSON body, without events
 * @param conversation its id is set just before `done` is yielded
 */
export declare function openStream(call: Call, path: string, from?: ResumeToken, streamed?: boolean, signal?: AbortSignal, conversation?: {
    id?: string | null;
}): AnswerStream;
