// Generated from src/client by `npm run build:client`: edit there.
/** The `error` object of a response or of an `error` event. Any field may be missing if another server responded. */
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
     * A code of the Worker (`budget_exceeded` …), `connection_lost` if the connection broke, `stream_lost` if the stream can't be resumed, or
     * `unexpected_response` if the response is not from the Worker.
     */
    readonly code: string;
    readonly type: string;
    /** The request field that is wrong, or "". */
    readonly param: string;
    /** HTTP status of the response: 200 for an error within a stream, 0 if no response arrived or the connection broke. */
    readonly status: number;
    /** The request's id, or "". Quote it when you ask the Worker's operator for help. */
    readonly requestId: string;
    /** Seconds until another try makes sense; 0 if the Worker sent no Retry-After. */
    readonly retryAfter: number;
    /** Whether another try may succeed and can't be billed twice. */
    readonly retryable: boolean;
    constructor(body?: ErrorBody | null, { status, headers }?: {
        status?: number;
        headers?: Headers | undefined;
    });
}
/**
 * Creates the error for a broken connection.
 * @param response the response that was cut off, if it had begun. The error has the response's request id, but status 0, since the status
 * of the response says nothing about the failure
 */
export declare function connectionLost(response?: Response, cause?: unknown): AskError;
export {};
