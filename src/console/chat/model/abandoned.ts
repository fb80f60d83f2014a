// The answers that were on their way when the page was left, as turns of the tree. Knows nothing of the network.
import type { Account } from "../../lib/account.ts";
import { storedSession } from "../../session/session-store.ts";
import type { Conversation, Turn } from "./conversation.ts";
import { allRuns, type PendingRun } from "../../session/runs.ts";

/** How long the Worker knows an Idempotency-Key. After that the same question is another call. */
export const KEY_MS = 86_400_000;

/** Whether going on with a question of which nothing has come asks and pays for it once in all. */
export function isPaidOnce({ known, at }: Turn): boolean {
  return known && Date.now() - at < KEY_MS;
}

/** What is on its way and not in the tree. */
export function leftOut(conversation: Conversation): PendingRun[] {
  return allRuns(storedSession()).filter(({ key }) => conversation.find((turn) => turn.key === key) === null);
}

/**
 * Takes all of that into the tree, under what it follows if that is there. The branch that is shown stays, unless one of them was heard last.
 * @param known it is known that this account has asked
 * @param account who would go on with it
 * @returns the one to go on with
 */
export function bringBack(conversation: Conversation, known: boolean, account: Account): Turn | null {
  const shown = conversation.path().at(-1);
  const last = storedSession().run?.key;
  let heard: Turn | null = null;
  for (const flight of leftOut(conversation)) {
    const { key, event, previous, asked } = flight;
    const parent = previous === null ? null : conversation.find(({ answer }) => answer?.id === previous);
    const turn = conversation.add(parent, asked?.input, asked?.fields, key, previous);
    Object.assign(turn, { event, state: "stopped", at: asked?.at ?? 0, known } satisfies Partial<Turn>);
    if (key === last) heard = turn;
  }
  const at = heard ?? shown;
  if (at !== undefined) conversation.show(at);
  return heard !== null && goesOnByItself(heard, storedSession().run?.asked?.stopped === true, account) ? heard : null;
}

/**
 * What has begun is heard, and never asked. A question of which nothing had come is sent again: with its key it is asked and paid once, but
 * only within a day, and only by whom it is from: keys are shared, so who signs in after a reload may be somebody else, unless what it
 * follows can be read.
 */
function goesOnByItself(turn: Turn, stopped: boolean, { credential }: Account): boolean {
  if (turn.event !== "") return true;
  return !stopped && isPaidOnce(turn) && (credential === undefined || turn.parent !== null);
}
