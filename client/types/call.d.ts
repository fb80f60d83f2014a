// Generated from src/client by `npm run build:client`: edit there.
export interface ClientOptions {
    /** The Worker's URL. */
    url: string | URL;
    /**
     * This Worker's key or a session token, or a function that returns one. The function is called before the first request, and again
     * with a refused token (one that has expired), at most once per request. The client stores the token between calls. An error that the
     * function throws reaches the caller unchanged.
     */
    token?: string | ((refused?: string) => string | Promise<string>) | undefined;
    /** The preset for questions that don't set one. */
    preset?: string | undefined;
    /** Replaces the global `fetch`, for example by a service binding. */
    fetch?: ((url: string, init: RequestInit) => Promise<Response>) | undefined;
}
/** Awaits a promise that depends on the connection. @throws AskError `connection_lost` if the promise rejects */
export type Within = <T>(work: Promise<T>) => Promise<T>;
export interface Init extends RequestInit {
    signal: AbortSignal;
    headers?: Record<string, string>;
}
/** @throws AskError, an error of `within` or of the `token` function, or the reason of an aborted signal */
export type Call = (path: string, init: Init, within: Within) => Promise<Response>;
export declare function createCall({ url, token, fetch: send }: ClientOptions): Call;
