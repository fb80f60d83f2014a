// Generated from src/client by `npm run build:client`: edit there.
declare const answer: {
    id: string;
    previous_response_id: string | null;
    created_at: number;
    model: string;
    status: string;
    text: string;
    usage: {
        input_tokens: number;
        cached_tokens: number;
        output_tokens: number;
        reasoning_tokens: number;
        total_tokens: number;
    } | null;
    data?: unknown;
    refusal?: string;
    tool_calls?: {
        call_id: string;
        name: string;
        arguments: string;
    }[];
    citations?: {
        [x: string]: unknown;
    }[];
    reasoning_summary?: string;
    incomplete_reason?: string;
    metadata?: {
        [x: string]: string;
    };
    cost_usd?: number;
    cached?: true;
};
declare const event: {
    event: "reasoning";
    data: {
        delta: string;
    };
} | {
    event: "refusal";
    data: {
        delta: string;
    };
} | {
    event: "start";
    data: {
        request_id: string;
        model: string;
    };
} | {
    event: "text";
    data: {
        delta: string;
    };
} | {
    event: "tool_call";
    data: {
        call_id: string;
        name: string;
        arguments: string;
    };
};
declare const body: {
    input: string | {
        [x: string]: unknown;
    }[];
    access_programs?: unknown[] | {
        [x: string]: unknown;
    } | null | undefined;
    cache?: number | "refresh" | false | null | undefined;
    context_management?: {
        [x: string]: unknown;
    }[] | null | undefined;
    frequency_penalty?: number | null | undefined;
    image?: {
        [x: string]: unknown;
    } | null | undefined;
    images?: string[] | null | undefined;
    include?: string[] | null | undefined;
    instructions?: string | null | undefined;
    max_output_tokens?: number | null | undefined;
    max_tool_calls?: number | null | undefined;
    metadata?: {
        [x: string]: string;
    } | null | undefined;
    model?: string | null | undefined;
    moderation?: {
        [x: string]: unknown;
    } | null | undefined;
    parallel_tool_calls?: boolean | null | undefined;
    presence_penalty?: number | null | undefined;
    preset?: string | null | undefined;
    previous_response_id?: string | null | undefined;
    prompt_cache_key?: string | null | undefined;
    prompt_cache_options?: {
        [x: string]: unknown;
    } | null | undefined;
    prompt_cache_retention?: string | null | undefined;
    reasoning?: string | {
        [x: string]: unknown;
    } | null | undefined;
    safety_identifier?: string | null | undefined;
    schema?: {
        [x: string]: unknown;
    } | null | undefined;
    service_tier?: string | null | undefined;
    store?: boolean | null | undefined;
    stream_options?: {
        [x: string]: unknown;
    } | null | undefined;
    temperature?: number | null | undefined;
    text?: {
        [x: string]: unknown;
        format?: {
            [x: string]: unknown;
            type: string;
        } | null | undefined;
    } | null | undefined;
    tool_choice?: string | {
        [x: string]: unknown;
    } | null | undefined;
    tools?: {
        [x: string]: unknown;
        type: string;
    }[] | null | undefined;
    top_logprobs?: number | null | undefined;
    top_p?: number | null | undefined;
    truncation?: string | null | undefined;
    user?: string | null | undefined;
};
/** The body of a 200 response of POST /ask. The keys after `usage` are present only if they have a value. */
export type Answer = typeof answer;
/** An event of a stream. An `error` event is thrown as an AskError instead. */
export type AskEvent = typeof event | {
    event: "done";
    data: Answer;
};
/**
 * The body of POST /ask. docs/api.md describes its fields. null and undefined mean that a field is not set. There is no `stream` field: you
 * choose by calling `ask()` or `stream()`.
 */
export type AskBody = typeof body;
/** A string, or a list of messages and items as in the Responses API. */
export type Input = AskBody["input"];
export {};
