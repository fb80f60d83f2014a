// One request to the Worker: its address, and its credential, renewed where it is not taken any more. Knows nothing of what is asked.
import { AskError } from "./error.ts";
import { aborted } from "./pause.ts";

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

/** Awaits work on the connection. @throws AskError `connection_lost` where it fails */
export type Within = <T>(work: Promise<T>) => Promise<T>;

export interface Init extends RequestInit {
  signal: AbortSignal;
  headers?: Record<string, string>;
}

/** @throws AskError; what `within` throws; what the token's callback throws; anything once the signal has aborted */
export type Call = (path: string, init: Init, within: Within) => Promise<Response>;

export function createCall({ url, token, fetch: send }: ClientOptions): Call {
  let kept: Promise<string | undefined> | undefined;

  async function credential(refused?: string): Promise<string | undefined> {
    const before = kept;
    // Another request may have asked for it meanwhile.
    if ((await before?.catch(() => refused)) === refused && kept === before)
      kept = Promise.resolve(typeof token === "function" ? token(refused) : token);
    return kept;
  }

  return async (path, init, within) => {
    let refusal: AskError | undefined;
    let refused: string | undefined;
    for (;;) {
      // Others may wait for the same credential: it is left, not given up.
      const bearer = await Promise.race([aborted(init.signal), credential(refused)]);
      // It was made for this call alone.
      if (bearer && bearer !== refused) (init.headers ??= {})["authorization"] = `Bearer ${bearer}`;
      // There is no other: the header still holds the one that was refused.
      else if (refusal) throw refusal;
      const response = await within((send ?? fetch)(new URL(path, url).href, init));
      if (response.ok) return response;
      // Whoever gave it: it may be no answer of the Worker's.
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
