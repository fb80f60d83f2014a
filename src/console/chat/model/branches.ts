// The branches that were there before a reload, read into the tree by the ids of their ends. What can't be read just now is not given up, and
// what never can be is said to be gone.
import { type Account, mayReadById } from "../../lib/account.ts";
import { call, type Failure, failureOf } from "../../lib/call.ts";
import { type StoredSession, storedSession } from "../../session/session-store.ts";
import type { Answer, Conversation, Input, Turn } from "./conversation.ts";
import { allRuns } from "../../session/runs.ts";
import { isGone, YOUNG_MS } from "./failures.ts";

type Thread = { input: Input; answer: Answer }[];

export class Branches {
  /** Those that could not be read just now, and why. */
  readonly unread = new Map<string, Failure>();
  /** Something can't ever be read again. */
  gone = false;
  readonly #account: Account;
  readonly #conversation: Conversation;

  constructor(account: Account, conversation: Conversation) {
    this.#account = account;
    this.#conversation = conversation;
  }

  async read(ids: readonly string[]): Promise<void> {
    if (!mayReadById(this.#account)) {
      this.gone = ids.length > 0;
      return;
    }
    const { came } = storedSession();
    for (const [id, thread] of await Promise.all(ids.map(async (id) => [id, await this.#thread(id)] as const))) {
      this.unread.delete(id);
      let parent: Turn | null = null;
      if (Array.isArray(thread))
        for (const { input, answer } of thread) parent = this.#conversation.restore(parent, input, answer);
      else if (isGone(thread, Date.now() - (came[id] ?? 0))) this.gone = true;
      else this.unread.set(id, thread);
    }
  }

  /** What was asked, of an answer that was heard by its key alone. */
  async inputOf({ id }: Answer): Promise<Input | undefined> {
    const thread = mayReadById(this.#account) ? await this.#thread(id) : [];
    return Array.isArray(thread) ? thread.at(-1)?.input : undefined;
  }

  /** Ids by which a reload finds all of it again. */
  ends(): string[] {
    return [...new Set([...this.#conversation.leaves(), ...this.unread.keys()])];
  }

  /** From its root to this answer. */
  async #thread(id: string): Promise<Thread | Failure> {
    try {
      const { turns } = (await call(this.#account, `/ask/${encodeURIComponent(id)}?thread=true`)) as { turns: Thread };
      return [...turns];
    } catch (error) {
      return failureOf(error);
    }
  }
}

/** When young answers came, with this one if it is there. */
export function cameWith({ answer }: Turn): Record<string, number> {
  const now = Date.now();
  const young = Object.entries(storedSession().came).filter(([, at]) => now - at <= YOUNG_MS);
  return Object.fromEntries([...young, ...(answer === undefined ? [] : [[answer.id, now] as const])]);
}

/** Of all answers that are to be read again, with what they follow. */
export function idsOf(all: StoredSession): string[] {
  const ids = [...all.leaves, all.shown, ...allRuns(all).map(({ previous }) => previous)];
  return [...new Set(ids.filter((id) => id !== null))];
}
