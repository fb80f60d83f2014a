// Sends one request to the Worker, and renews the credential if the Worker refuses it. Does not know what the request asks.
import { AskError } from "./error.ts";
import { aborted } from "./pause.ts";

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

export function createCall({ url, token, fetch: send }: ClientOptions): Call {
  let current: Promise<string | undefined> | undefined;

  async function credential(refused?: string): Promise<string | undefined> {
    const previous = current;
    // Another request may have renewed the credential in the meantime.
    if ((await previous?.catch(() => refused)) === refused && current === previous)
      current = Promise.resolve(typeof token === "function" ? token(refused) : token);
    return current;
  }

  return async (path, init, within) => {
    let refusal: AskError | undefined;
    let refused: string | undefined;
    for (;;) {
      // An abort ends only this wait, because other requests may wait for the same credential.
      const bearer = await Promise.race([aborted(init.signal), credential(refused)]);
      // Each call has its own `init`, so `init` can be changed.
      if (bearer && bearer !== refused) (init.headers ??= {})["authorization"] = `Bearer ${bearer}`;
      // There is no new token, so a retry would send the refused one again.
      else if (refusal) throw refusal;
      const response = await within((send ?? fetch)(new URL(path, url).href, init));
      if (response.ok) return response;
      // Another server may have sent the response, so the body may not be an error of the Worker, or not even JSON.
      const error = new AskError(
        ((await response.json().catch(() => null)) as { error?: AskError } | null)?.error,
        response,
      );
      if (response.status !== 401 || refusal) throw error;
      refusal = error;
      refused = bearer;
    }
  };
}
