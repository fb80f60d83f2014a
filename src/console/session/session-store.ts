// What outlives a reload, in sessionStorage: ids, never a credential. The texts are read again by their ids; but for one, see `Asked`.
import type { Account } from "../lib/account.ts";
import type { PendingRuns } from "./runs.ts";

/** Whose it is (claim.ts). */
export interface Owned {
  account: Account["kind"] | null;
  /** A short digest. Null: local, or it can't be told. */
  owner: string | null;
}

/** Beside ids the answers that were on their way when the page was left. */
export interface StoredSession extends Owned, PendingRuns {
  /** Ids of the answers at the end of each branch. */
  leaves: string[];
  /** Id of the last answer of the branch that is shown. */
  shown: string | null;
  /** When answers came, by their ids, in milliseconds. Only of young ones, which KV may not show yet. */
  came: Record<string, number>;
  /** Jobs that this page started, newest first. */
  jobs: string[];
}

const NAME = "uniapi-edge-console";
const NOTHING: StoredSession = {
  account: null,
  owner: null,
  leaves: [],
  shown: null,
  came: {},
  run: null,
  waiting: [],
  jobs: [],
};

/** Counts how often all was forgotten. */
let generation = 0;

export function storedSession(): StoredSession {
  try {
    return { ...NOTHING, ...(JSON.parse(sessionStorage.getItem(NAME) ?? "{}") as Partial<StoredSession>) };
  } catch {
    return NOTHING;
  }
}

/** @returns whether all was forgotten meanwhile */
export function clearedWatch(): () => boolean {
  const own = generation;
  return () => generation !== own;
}

export type SaveSession = (change: Partial<StoredSession>) => void;

/** Keeps until all is forgotten: what still runs for who has signed out writes nothing any more. It says each time whose it is. */
export function sessionWriter(owned: Partial<Owned> = {}): SaveSession {
  const forgotten = clearedWatch();
  return (change) => {
    if (forgotten()) return;
    try {
      sessionStorage.setItem(NAME, JSON.stringify({ ...storedSession(), ...change, ...owned }));
    } catch {
      // Storage is full or forbidden: the page works, and a reload begins anew.
    }
  };
}

export function clearSession(): void {
  generation += 1;
  try {
    sessionStorage.removeItem(NAME);
  } catch {
    // Then nothing was kept.
  }
}
