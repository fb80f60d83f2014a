// Generated from src/client by `npm run build:client`: edit there.
/** `error` of a response or of an `error` event. Any field may be missing if another server answered. */
interface ErrorBody {
    message?: string;
    code?: string;
    type?: string;
    param?: string;
    request_id?: string;
    cause?: unknown;
}
export declare class AskError extends Error {
    /**
     * The Worker's own code (`budget_exceeded` …), `connection_lost` without a response, `stream_lost` for a stream that can't be resumed,
     * `unexpected_response` for a response that is not from the Worker.
     */
    readonly code: string;
    readonly type: string;
    /** The field that is wrong, or "". */
    readonly param: string;
    /** HTTP status of the response: 200 if a stream had begun, 0 without a response. */
    readonly status: number;
    /** To quote to the Worker's operator, or "". */
    readonly requestId: string;
    /** Seconds until another try makes sense; 0 if the Worker did not say. */
    readonly retryAfter: number;
    /** Whether another try may help and is not paid for twice. */
    readonly retryable: boolean;
    constructor(body?: ErrorBody | null, { status, headers }?: {
        status?: number;
        headers?: Headers | undefined;
    });
}
/** @param response an incomplete one: its status means nothing then, but its request id can be quoted */
export declare function connectionLost(response?: Response, cause?: unknown): AskError;
export {};
