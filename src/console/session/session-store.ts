// The state that survives a reload, in sessionStorage: ids, never a credential. Texts are fetched again by id. The one exception is a
// question that has received no event yet (`PendingQuestion` in runs.ts).
import type { Account } from "../lib/account.ts";
import type { PendingRuns } from "./runs.ts";

/** Who the stored session belongs to. ownership.ts compares this with the account that signs in. */
export interface SessionOwner {
  account: Account["kind"] | null;
  /** Short digest of the key or of the token's subject. Null for a local account, and for a token that doesn't name its subject. */
  accountDigest: string | null;
}

export interface StoredSession extends SessionOwner, PendingRuns {
  /** Ids of the answers at the end of each branch. */
  leaves: string[];
  /** Id of the last answer of the branch on display. */
  shownId: string | null;
  /** When recent answers arrived, by id, in Unix milliseconds. KV may not show an answer for some time after that. */
  receivedAt: Record<string, number>;
  /** Jobs that this page started or found by id, newest first. */
  jobs: string[];
}

const NAME = "uniapi-edge-console";
const EMPTY: StoredSession = {
  account: null,
  accountDigest: null,
  leaves: [],
  shownId: null,
  receivedAt: {},
  run: null,
  waiting: [],
  jobs: [],
};

/** Incremented by every clear, so that older writers stop writing. */
let generation = 0;

export function readSession(): StoredSession {
  try {
    return { ...EMPTY, ...(JSON.parse(sessionStorage.getItem(NAME) ?? "{}") as Partial<StoredSession>) };
  } catch {
    return EMPTY;
  }
}

/** @returns a predicate: whether the session has been cleared since this call */
export function watchForClear(): () => boolean {
  const started = generation;
  return () => generation !== started;
}

export type WriteSession = (change: Partial<StoredSession>) => void;

/**
 * @param owner stored with every change
 * @returns a function that writes until the session is cleared, so that work that outlives a sign-out writes nothing
 */
export function createSessionWriter(owner: Partial<SessionOwner> = {}): WriteSession {
  const isCleared = watchForClear();
  return (change) => {
    if (isCleared()) return;
    try {
      sessionStorage.setItem(NAME, JSON.stringify({ ...readSession(), ...change, ...owner }));
    } catch {
      // Storage is full or forbidden. The page still works, but a reload starts empty.
    }
  };
}

export function clearSession(): void {
  generation += 1;
  try {
    sessionStorage.removeItem(NAME);
  } catch {
    // Storage is forbidden, so nothing was stored.
  }
}
