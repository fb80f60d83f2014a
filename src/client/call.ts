// One request to the Worker, with its URL and a credential that is renewed when the Worker refuses it. Does not know what the request asks.
import { AskError } from "./error.ts";
import { aborted } from "./pause.ts";

export interface ClientOptions {
  /** The Worker's URL. */
  url: string | URL;
  /**
   * This Worker's key or a session token, or a function that returns one. The function is called before the first request, and again
   * with a refused token (one that has expired), at most once per request. The client stores the token between calls. An error that the
   * function throws reaches the caller unchanged.
   */
  token?: string | ((refused?: string) => string | Promise<string>) | undefined;
  /** The preset for questions that name none. */
  preset?: string | undefined;
  /** Replaces the global `fetch`, for example by a service binding. */
  fetch?: ((url: string, init: RequestInit) => Promise<Response>) | undefined;
}

/** Awaits work on the connection. @throws AskError `connection_lost` if it fails */
export type Within = <T>(work: Promise<T>) => Promise<T>;

export interface Init extends RequestInit {
  signal: AbortSignal;
  headers?: Record<string, string>;
}

/** @throws AskError, an error of `within` or of the `token` function, or the reason of an aborted signal */
export type Call = (path: string, init: Init, within: Within) => Promise<Response>;

export function createCall({ url, token, fetch: send }: ClientOptions): Call {
  let current: Promise<string | undefined> | undefined;

  async function credential(refused?: string): Promise<string | undefined> {
    const previous = current;
    // Another request may have renewed it meanwhile.
    if ((await previous?.catch(() => refused)) === refused && current === previous)
      current = Promise.resolve(typeof token === "function" ? token(refused) : token);
    return current;
  }

  return async (path, init, within) => {
    let refusal: AskError | undefined;
    let refused: string | undefined;
    for (;;) {
      // An abort ends this wait only: other requests may wait for the same credential.
      const bearer = await Promise.race([aborted(init.signal), credential(refused)]);
      // `init` belongs to this call only.
      if (bearer && bearer !== refused) (init.headers ??= {})["authorization"] = `Bearer ${bearer}`;
      // There is no new token: the header still holds the refused one.
      else if (refusal) throw refusal;
      const response = await within((send ?? fetch)(new URL(path, url).href, init));
      if (response.ok) return response;
      // The response may be from another server, so its body may be anything.
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
