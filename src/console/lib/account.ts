// Who is signed in: a credential that lives in memory only, never in storage, URL or HTML. A reload forgets it; under ENVIRONMENT=local
// a page of this machine needs none.

export interface Account {
  /** Undefined: anonymous, under ENVIRONMENT=local. */
  credential: string | undefined;
  /** What it may do, told by its shape as the Worker does; the Worker has the last word. */
  kind: "local" | "server" | "publishable" | "session";
}

export function accountOf(credential: string | undefined): Account {
  if (credential === undefined) return { credential, kind: "local" };
  return {
    credential,
    kind: credential.startsWith("sk_") ? "server" : credential.startsWith("pk_") ? "publishable" : "session",
  };
}

/** Full trust: any field, any model, jobs. */
export const isServer = ({ kind }: Account): boolean => kind === "server" || kind === "local";

/** All visitors of a publishable key are one owner: nothing can be read by id. */
export const mayReadById = ({ kind }: Account): boolean => kind !== "publishable";

export const ACCOUNT_NAMES: Record<Account["kind"], string> = {
  local: "Local, no key needed",
  server: "Server key",
  publishable: "Publishable key",
  session: "Session token",
};

/** The page was served under ENVIRONMENT=local. */
export const isLocal = (): boolean => document.documentElement.dataset["environment"] === "local";
