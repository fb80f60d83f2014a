// What outlives a reload, in sessionStorage: ids, never a credential. The texts are read again by their ids; but for one, see `Asked`.
import type { Account } from "./account.ts";
import type { Fields, Input } from "./chat/conversation.ts";

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
  /** Id of its last event that was seen: names the recording. "": none yet. */
  event: string;
  /** The answer that it continues. */
  previous: string | null;
  /** Only while there was no event. */
  asked?: Asked;
}

/**
 * A question of which nothing has come yet. Until its first event names a recording nothing finds its answer but the same question with
 * the same key, so without this text a reload would lose both, though they may be paid. Here and not elsewhere, since sessionStorage is
 * read by pages of this Worker in this tab only, ends with the tab, and is emptied by signing out; and only until the first event, after
 * which the ids are enough.
 */
export interface Asked {
  input: Input;
  fields: Fields;
  /** Milliseconds: the Worker knows the key for a day. */
  at: number;
  /** Whoever asked has stopped it. */
  stopped: boolean;
}

const NAME = "uniapi-edge-console";
const NOTHING: Kept = { account: null, leaves: [], shown: null, flight: null, jobs: [] };

/** Counts how often all was forgotten. */
let era = 0;

export function kept(): Kept {
  try {
    return { ...NOTHING, ...(JSON.parse(sessionStorage.getItem(NAME) ?? "{}") as Partial<Kept>) };
  } catch {
    return NOTHING;
  }
}

export type Keep = (change: Partial<Kept>) => void;

/** Keeps until all is forgotten: what still runs for who has signed out writes nothing any more. */
export function keeper(): Keep {
  const own = era;
  return (change) => {
    if (era !== own) return;
    try {
      sessionStorage.setItem(NAME, JSON.stringify({ ...kept(), ...change }));
    } catch {
      // Storage is full or forbidden: the page works, and a reload begins anew.
    }
  };
}

export function forget(): void {
  era += 1;
  try {
    sessionStorage.removeItem(NAME);
  } catch {
    // Then nothing was kept.
  }
}
