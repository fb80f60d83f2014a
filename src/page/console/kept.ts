// What outlives a reload, in sessionStorage: ids only, never a credential and never a text. The texts are read again by their ids.
import type { Account } from "./account.ts";

export interface Kept {
  /** Whose the ids are, as far as a kind of account tells; null: nobody's yet. */
  account: Account["kind"] | null;
  /** Ids of the answers at the end of each branch. */
  leaves: string[];
  /** Id of the last answer of the branch that is shown. */
  shown: string | null;
  /** An answer that was being written when the page was left. */
  flight: Flight | null;
  /** Jobs that this page started, newest first. */
  jobs: string[];
}

export interface Flight {
  /** Idempotency-Key. */
  key: string;
  /** Id of its last event that was seen: names the recording. */
  event: string;
  /** The answer that it continues. */
  previous: string | null;
}

const NAME = "uniapi-edge-console";
const NOTHING: Kept = { account: null, leaves: [], shown: null, flight: null, jobs: [] };

export function kept(): Kept {
  try {
    return { ...NOTHING, ...(JSON.parse(sessionStorage.getItem(NAME) ?? "{}") as Partial<Kept>) };
  } catch {
    return NOTHING;
  }
}

export function keep(change: Partial<Kept>): void {
  try {
    sessionStorage.setItem(NAME, JSON.stringify({ ...kept(), ...change }));
  } catch {
    // Storage is full or forbidden: the page works, and a reload begins anew.
  }
}

export function forget(): void {
  try {
    sessionStorage.removeItem(NAME);
  } catch {
    // Then nothing was kept.
  }
}
