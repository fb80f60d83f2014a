// Reads the branches from before a reload into the tree, by the ids of their last answers. The id of a branch that can't be read right now
// remains stored. A branch that can never be read again is reported as gone.
import type { Turn as StoredTurn } from "../../../client/client.ts";
import { type Account, mayReadById } from "../../lib/account.ts";
import { call, type Failure, failureOf } from "../../lib/call.ts";
import { allRuns } from "../../session/runs.ts";
import { readSession, type StoredSession } from "../../session/session-store.ts";
import type { Answer, Conversation, Input, Turn } from "./conversation.ts";
import { isGone, KV_DELAY_MS } from "./failures.ts";

export class Branches {
  /** Why branches can't be read right now, by the ids of their last answers. */
  readonly unread = new Map<string, Failure>();
  /** Whether a branch can never be read again, or the account may not read any branch. */
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
    const { receivedAt } = readSession();
    for (const [id, chain] of await Promise.all(ids.map(async (id) => [id, await this.#readChain(id)] as const))) {
      this.unread.delete(id);
      let parent: Turn | null = null;
      if (Array.isArray(chain))
        for (const { input, answer } of chain) parent = this.#conversation.restore(parent, input, answer);
      else if (isGone(chain, Date.now() - (receivedAt[id] ?? 0))) this.gone = true;
      else this.unread.set(id, chain);
    }
  }

  /** Reads the question of an answer whose run was resumed only by its key. Resolves to undefined if it can't be read. */
  async inputOf({ id }: Answer): Promise<Input | undefined> {
    const chain = mayReadById(this.#account) ? await this.#readChain(id) : [];
    return Array.isArray(chain) ? chain.at(-1)?.input : undefined;
  }

  /** Ids from which a reload can restore every branch. */
  leaves(): string[] {
    return [...new Set([...this.#conversation.leaves(), ...this.unread.keys()])];
  }

  /** Reads the turns from the root to this answer. Resolves to a failure if they can't be read. */
  async #readChain(id: string): Promise<StoredTurn[] | Failure> {
    try {
      const { turns } = (await call(this.#account, `/ask/${encodeURIComponent(id)}?thread=true`)) as {
        turns: StoredTurn[];
      };
      return [...turns];
    } catch (error) {
      return failureOf(error);
    }
  }
}

/** When the answers of the last KV_DELAY_MS arrived, by id, in Unix milliseconds. Adds this turn's answer, if it has one, as of now. */
export function receivedAtWith({ answer }: Turn): Record<string, number> {
  const now = Date.now();
  const recent = Object.entries(readSession().receivedAt).filter(([, at]) => now - at <= KV_DELAY_MS);
  return Object.fromEntries([...recent, ...(answer === undefined ? [] : [[answer.id, now] as const])]);
}

/** Ids of all answers that a reload reads, including those that pending runs follow. */
export function idsToRead(session: StoredSession): string[] {
  const ids = [...session.leaves, session.shownId, ...allRuns(session).map(({ previousId }) => previousId)];
  return [...new Set(ids.filter((id) => id !== null))];
}
