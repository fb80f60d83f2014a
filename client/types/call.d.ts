// Generated from src/client by `npm run build:client`: edit there.
export interface ClientOptions {
    /** The Worker's URL. */
    url: string | URL;
    /**
     * A key or session token of the Worker, or a function that returns one. The client calls the function before the first request, and again
     * when the Worker refuses the token, for example because it has expired. The argument is then the refused token. A request renews the
     * token at most once. The client stores the token between calls. An error that the function throws reaches the caller unchanged.
     */
    token?: string | ((refused?: string) => string | Promise<string>) | undefined;
    /** The preset for questions that don't set one. */
    preset?: string | undefined;
    /** Used instead of the global `fetch`, for example to call a service binding. */
    fetch?: ((url: string, init: RequestInit) => Promise<Response>) | undefined;
}
/** Awaits a promise that depends on the connection. @throws AskError `connection_lost` if the promise rejects */
export type Within = <T>(work: Promise<T>) => Promise<T>;
export interface Init extends RequestInit {
    signal: AbortSignal;
    headers?: Record<string, string>;
}
/** @throws AskError, or an error of `within` or of the `token` function. After an abort, what it throws has no meaning: see the signal */
export type Call = (path: string, init: Init, within: Within) => Promise<Response>;
export declare function createCall({ url, token, fetch: send }: ClientOptions): Call;
