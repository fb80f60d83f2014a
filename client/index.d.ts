// Generated from src/client by `npm run build:client`: edit there.
/** The body of a 200 on /ask. Keys after `usage` are there only when they say something. */
export interface Answer {
    id: string;
    previous_response_id: string | null;
    created_at: number;
    model: string;
    status: string;
    text: string;
    usage: Usage | null;
    data?: unknown;
    refusal?: string;
    tool_calls?: ToolCall[];
    citations?: JsonObject[];
    reasoning_summary?: string;
    incomplete_reason?: string;
    metadata?: Record<string, string>;
    cost_usd?: number;
    cached?: true;
}
export type JsonObject = Record<string, unknown>;
export interface Usage {
    input_tokens: number;
    cached_tokens: number;
    output_tokens: number;
    reasoning_tokens: number;
    total_tokens: number;
}
export interface ToolCall {
    call_id: string;
    name: string;
    /** JSON as the model wrote it; never parsed here, it may be wrong. */
    arguments: string;
}
export interface ClientOptions {
    /** The Worker's address. */
    url: string | URL;
    /**
     * This Worker's key or a session token; or what fetches one. That is called before the first request, and with the token that was
     * refused (it has expired), at most once for each request; in between, its token is kept. What it throws reaches the caller as it is.
     */
    token?: string | ((refused?: string) => string | Promise<string>) | undefined;
    /** For every question that names none. */
    preset?: string | undefined;
    /** In place of the global one: a service binding of a Worker, a test. */
    fetch?: ((url: string, init: RequestInit) => Promise<Response>) | undefined;
}
export interface Conversation {
    /** Of the last answer, which the next question follows; null begins anew. May be set to that of any earlier answer. */
    id: string | null;
    ask(question: Question, options?: AskOptions): Promise<Answer>;
    stream(question: Question, options?: AskOptions): AnswerStream;
    /** The last question once more, from the same parent and not from the cache. Its answer is a sibling of the one before. */
    retry(options?: AskOptions): AnswerStream;
    /** Goes on with a stream of this conversation, as `client.resume` does. */
    resume(token: ResumeToken, options?: Pick<AskOptions, "signal">): AnswerStream;
    /** From the first turn to the last answer, as the Worker keeps them. */
    turns(): Promise<Turn[]>;
    /** Another conversation that goes on from the same answer, or from an earlier one (`null`: from none). */
    branch(id?: string | null): Conversation;
}
export interface AskOptions {
    signal?: AbortSignal | undefined;
    /** The Worker asks once for each, however often it is sent, for 24 hours. A fresh UUID unless given. */
    idempotencyKey?: string | undefined;
}
/** Just the input, or the whole body. */
export type Question = Input | AskBody;
/** A text, or messages and items as in the Responses API. */
export type Input = string | JsonObject[];
/** The body of POST /ask; README.md describes its fields. `stream` is not among them: the method decides. */
export interface AskBody {
    input: Input;
    preset?: string | null | undefined;
    previous_response_id?: string | null | undefined;
    /** A JSON Schema; the answer then has `data`. */
    schema?: JsonObject | null | undefined;
    images?: string[] | null | undefined;
    reasoning?: string | JsonObject | null | undefined;
    /** `false`: neither read nor write; "refresh": write only; N: an answer up to N seconds old. */
    cache?: false | "refresh" | number | null | undefined;
    model?: string | null | undefined;
    instructions?: string | null | undefined;
    temperature?: number | null | undefined;
    top_p?: number | null | undefined;
    max_output_tokens?: number | null | undefined;
    tools?: ({
        type: string;
    } & JsonObject)[] | null | undefined;
    tool_choice?: string | JsonObject | null | undefined;
    metadata?: Record<string, string> | null | undefined;
    store?: boolean | null | undefined;
    text?: JsonObject | null | undefined;
    include?: string[] | null | undefined;
    truncation?: string | null | undefined;
    parallel_tool_calls?: boolean | null | undefined;
    service_tier?: string | null | undefined;
    user?: string | null | undefined;
    max_tool_calls?: number | null | undefined;
    top_logprobs?: number | null | undefined;
    presence_penalty?: number | null | undefined;
    frequency_penalty?: number | null | undefined;
    safety_identifier?: string | null | undefined;
    prompt_cache_key?: string | null | undefined;
    prompt_cache_retention?: string | null | undefined;
    prompt_cache_options?: JsonObject | null | undefined;
    context_management?: JsonObject[] | null | undefined;
    moderation?: JsonObject | null | undefined;
    image?: JsonObject | null | undefined;
    access_programs?: JsonObject | unknown[] | null | undefined;
    stream_options?: JsonObject | null | undefined;
}
/** All that is needed to go on with a stream elsewhere, or after a reload; plain JSON. It holds the question, but no credential. */
export interface ResumeToken {
    key: string;
    body: AskBody;
    /** Of the last event that was read; absent where there was none yet. */
    lastEventId?: string | undefined;
}
/** One turn of a conversation as GET /ask/{id}?thread=true gives it. */
export interface Turn {
    input: Input;
    answer: Answer;
}
/** Nothing is sent before the first event is asked for. */
export interface AnswerStream extends AsyncIterable<AskEvent> {
    /** For `resume`, which goes on after the event that was read last: it moves with the stream, so keep it as JSON. */
    readonly resumeToken: ResumeToken;
    /** Reads to the end. */
    answer(): Promise<Answer>;
    next(): Promise<IteratorResult<AskEvent, undefined>>;
    /** Leaves: the connection is closed at once. A `break` in a loop does it, too. */
    return(): Promise<IteratorResult<AskEvent, undefined>>;
}
/** What a stream says; its errors are thrown. */
export type AskEvent = Exclude<WorkerEvent, {
    event: "error";
}>;
export type WorkerEvent = {
    event: "start";
    data: {
        request_id: string;
        model: string;
    };
} | {
    event: "text" | "reasoning" | "refusal";
    data: {
        delta: string;
    };
} | {
    event: "tool_call";
    data: ToolCall;
} | {
    event: "done";
    data: Answer;
} | {
    event: "error";
    data: {
        error: JsonObject;
    };
};
export interface ConversationOptions {
    /** Of the answer to go on from. */
    id?: string | null | undefined;
    preset?: string | undefined;
}
export declare class AskError extends Error {
    /** The Worker's own (`budget_exceeded` …), `connection_lost` where none came, `unexpected_response` where somebody else answered. */
    readonly code: string;
    readonly type: string;
    /** The field that is wrong, or "". */
    readonly param: string;
    /** HTTP status of the answer: 200 where a stream had begun, 0 where there was none. */
    readonly status: number;
    /** For the Worker's operator, or "". */
    readonly requestId: string;
    /** Seconds until another try makes sense; 0 where the Worker did not say. */
    readonly retryAfter: number;
    /** Whether another try may help and is not paid twice. */
    readonly retryable: boolean;
    constructor(said?: Said | null, { status, headers }?: {
        status?: number;
        headers?: Headers | undefined;
    });
}
/** `error` of a body or of an `error` event; it may be anything where somebody else than the Worker answered. */
export interface Said {
    message?: string;
    code?: string;
    type?: string;
    param?: string;
    request_id?: string;
    cause?: unknown;
}
export interface Client {
    ask(question: Question, options?: AskOptions): Promise<Answer>;
    stream(question: Question, options?: AskOptions): AnswerStream;
    /** Goes on with a stream after the event at which its `resumeToken` was taken. */
    resume(token: ResumeToken, options?: Pick<AskOptions, "signal">): AnswerStream;
    conversation(options?: ConversationOptions): Conversation;
}
export declare function createClient(options: ClientOptions): Client;
