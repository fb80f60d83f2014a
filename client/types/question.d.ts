// Generated from src/client by `npm run build:client`: edit there.
import type { Answer, AskBody, Input } from "./types.js";
/** The input alone, or a body of POST /ask. */
export type Question = Input | AskBody;
export interface AskOptions {
    signal?: AbortSignal | undefined;
    /** The Worker calls UniAPI once for each key within 24 hours, however often the question is sent. Default: a new UUID. */
    idempotencyKey?: string | undefined;
}
/** One turn of a conversation, as GET /ask/{id}?thread=true returns it. */
export interface Turn {
    input: Input;
    answer: Answer;
}
/** Everything that is needed to resume a stream elsewhere, or after a reload. It is plain JSON, with the question but without a credential. */
export interface ResumeToken {
    key: string;
    body: AskBody;
    /** Id of the last event that was read; absent before the first one. */
    lastEventId?: string | undefined;
}
