// The account that is signed in. Its credential lives in memory only: never in storage, a URL or HTML, so a reload drops it. Under
// ENVIRONMENT=local a page of this machine needs no credential.

export interface Account {
  /** Undefined for an anonymous caller under ENVIRONMENT=local. */
  credential: string | undefined;
  /** Derived from the credential's form, as in the Worker. The Worker decides what the account may do. */
  kind: "local" | "server" | "publishable" | "session";
}

export function accountOf(credential: string | undefined): Account {
  if (credential === undefined) return { credential, kind: "local" };
  return {
    credential,
    kind: credential.startsWith("sk_") ? "server" : credential.startsWith("pk_") ? "publishable" : "session",
  };
}

/** Whether the account has full trust: any field, any model, jobs. */
export const isServer = ({ kind }: Account): boolean => kind === "server" || kind === "local";

/** Whether the account may read by id. The visitors who share a publishable key are one owner, so they may not. */
export const mayReadById = ({ kind }: Account): boolean => kind !== "publishable";

export const ACCOUNT_NAMES: Record<Account["kind"], string> = {
  local: "Local, no key needed",
  server: "Server key",
  publishable: "Publishable key",
  session: "Session token",
};

/** Whether the page was served under ENVIRONMENT=local. */
export const isLocal = (): boolean => document.documentElement.dataset["environment"] === "local";
