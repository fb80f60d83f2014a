// Whose the things are that outlived a reload. Who signs in next may be somebody else: what is another's is forgotten before anything of it
// is shown or sent.
import type { Account } from "../lib/account.ts";
import {
  clearSession,
  clearedWatch,
  type SaveSession,
  sessionWriter,
  storedSession,
  type Owned,
} from "./session-store.ts";

/** `unknown`: this account's or another's. */
export type Whose = "own" | "another's" | "unknown";

export interface Ownership {
  whose: Exclude<Whose, "another's">;
  /** An answer of another's was on its way; it is forgotten. */
  lost: boolean;
  keep: SaveSession;
}

/** Takes over what is this account's. */
export async function claimOwnership(account: Account): Promise<Ownership> {
  const forgotten = clearedWatch();
  const nothing = sessionWriter();
  const own: Owned = { account: account.kind, owner: await ownerOf(account) };
  if (forgotten()) return { whose: "unknown", lost: false, keep: nothing };
  const before = storedSession();
  const whose = whoseIs(before, own);
  if (whose === "another's") clearSession();
  // What nobody can be told to have left is not this account's by its having looked.
  const told = whose !== "unknown" || before.owner === own.owner;
  const keep = sessionWriter(told ? own : { ...own, owner: null });
  // Without a credential nothing is kept before there is something: it needs no claim, and signing out leaves nothing.
  if (account.credential !== undefined) keep({});
  if (whose === "another's") return { whose: "own", lost: before.run !== null || before.waiting.length > 0, keep };
  return { whose, lost: false, keep };
}

export function whoseIs(before: Owned, now: Owned): Whose {
  // Nobody has to sign in there, so nobody may have said who it was.
  const kind = before.account ?? "local";
  if (kind !== now.account) return "another's";
  if (kind === "local") return "own";
  if (before.owner === null || now.owner === null) return "unknown";
  if (before.owner !== now.owner) return "another's";
  // It stands in a page for everybody to take.
  return kind === "publishable" ? "unknown" : "own";
}

const DIGEST_BYTES = 6;

/** Enough to tell accounts apart, and too little to be one: a piece of the hash of the key, or of whom a token is for. */
async function ownerOf({ credential, kind }: Account): Promise<string | null> {
  try {
    const who = kind === "session" ? subjectOf(String(credential)) : credential;
    if (who === undefined) return null;
    const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(`uniapi-edge console ${who}`));
    return [...new Uint8Array(hash, 0, DIGEST_BYTES)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  } catch {
    // No token that this page can read.
    return null;
  }
}

/** As the Worker tells owners: sessions by `sub`, an identity provider's tokens by `iss` and `sub`. */
function subjectOf(token: string): string | undefined {
  const [{ alg }, { iss, sub }] = token.split(".", 2).map(partOf) as [Record<string, unknown>, Record<string, unknown>];
  if (typeof sub !== "string") return undefined;
  return JSON.stringify(String(alg).startsWith("HS") ? [sub] : [iss, sub]);
}

function partOf(part: string): unknown {
  const bytes = Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}
