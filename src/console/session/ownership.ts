// Decides whether the stored session belongs to the account that signs in. Another account's session is cleared before any of it is shown
// or sent.
import type { Account } from "../lib/account.ts";
import {
  clearSession,
  createSessionWriter,
  readSession,
  type SessionOwner,
  watchForClear,
  type WriteSession,
} from "./session-store.ts";

/** `unknown`: the credential does not show whether it is the same account. */
export type OwnershipVerdict = "own" | "another's" | "unknown";

export interface Ownership {
  verdict: Exclude<OwnershipVerdict, "another's">;
  /** Whether a pending run was cleared with the session of another account. */
  discardedRun: boolean;
  writeSession: WriteSession;
}

/** Takes over the stored session if it belongs to this account, clears it if it belongs to another, and leaves it if that is unknown. */
export async function claimOwnership(account: Account): Promise<Ownership> {
  const isCleared = watchForClear();
  const inertWriter = createSessionWriter();
  const current: SessionOwner = { account: account.kind, accountDigest: await digestOf(account) };
  if (isCleared()) return { verdict: "unknown", discardedRun: false, writeSession: inertWriter };
  const stored = readSession();
  const verdict = compareOwners(stored, current);
  if (verdict === "another's") clearSession();
  // Opening a session of unknown ownership must not make it this account's.
  const canClaim = verdict !== "unknown" || stored.accountDigest === current.accountDigest;
  const writeSession = createSessionWriter(canClaim ? current : { ...current, accountDigest: null });
  // Without a credential the first change claims the session. Until then nothing is stored, so signing out leaves nothing behind.
  if (account.credential !== undefined) writeSession({});
  if (verdict === "another's") {
    const discardedRun = stored.run !== null || stored.waiting.length > 0;
    return { verdict: "own", discardedRun, writeSession };
  }
  return { verdict, discardedRun: false, writeSession };
}

export function compareOwners(stored: SessionOwner, current: SessionOwner): OwnershipVerdict {
  // Under ENVIRONMENT=local no sign-in is needed, so the session may have no account.
  const kind = stored.account ?? "local";
  if (kind !== current.account) return "another's";
  if (kind === "local") return "own";
  if (stored.accountDigest === null || current.accountDigest === null) return "unknown";
  if (stored.accountDigest !== current.accountDigest) return "another's";
  // A publishable key is public: everyone who opens the site has the same one.
  return kind === "publishable" ? "unknown" : "own";
}

const DIGEST_BYTES = 6;

/**
 * Returns a prefix of the hash of the key, or of the token's subject: long enough to distinguish accounts, too short to reveal the
 * credential. Null without a credential, and for a token that does not name its subject.
 */
async function digestOf({ credential, kind }: Account): Promise<string | null> {
  try {
    const identity = kind === "session" ? subjectOf(String(credential)) : credential;
    if (identity === undefined) return null;
    const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(`uniapi-edge console ${identity}`));
    return [...new Uint8Array(hash, 0, DIGEST_BYTES)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  } catch {
    // The token is not a JWT that this page can decode.
    return null;
  }
}

/**
 * Returns the claims that determine the owner: `sub` of session tokens, `iss` and `sub` of an identity provider's tokens. Undefined if
 * there is no `sub`.
 */
function subjectOf(token: string): string | undefined {
  const [{ alg }, { iss, sub }] = token.split(".", 2).map(decodePart) as [
    Record<string, unknown>,
    Record<string, unknown>,
  ];
  if (typeof sub !== "string") return undefined;
  return JSON.stringify(String(alg).startsWith("HS") ? [sub] : [iss, sub]);
}

function decodePart(part: string): unknown {
  const bytes = Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}
