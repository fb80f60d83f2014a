// Runs that were pending when the page was closed or reloaded, and their turns in the tree. Makes no network calls.
import type { Account } from "../../lib/account.ts";
import { allRuns, type PendingRun } from "../../session/runs.ts";
import { readSession } from "../../session/session-store.ts";
import type { Conversation, Turn } from "./conversation.ts";

/** The time for which the Worker stores an Idempotency-Key, in milliseconds. After that, the same question is a new paid call. */
export const KEY_LIFETIME_MS = 86_400_000;

/** Whether resending a question that has received no event joins its first call instead of paying for a second one. */
export function isPaidOnce({ sentByAccount, sentAt }: Turn): boolean {
  return sentByAccount && Date.now() - sentAt < KEY_LIFETIME_MS;
}

/** The part of a turn that a reload needs to resume its run. */
export function pendingRunOf({ key, lastEventId, previousId, input, fields = {}, sentAt, state }: Turn): PendingRun {
  const question = { input: input ?? "", fields, sentAt, stopped: state === "stopped" };
  return {
    key,
    // A reload loses the text so far, so it resumes after the run's first event, `start`.
    lastEventId: lastEventId.replace(/\d+$/, "0"),
    previousId,
    ...(lastEventId === "" && input !== undefined ? { question } : {}),
  };
}

/** Pending runs without a turn in the tree. */
export function unplacedRuns(conversation: Conversation): PendingRun[] {
  return allRuns(readSession()).filter(({ key }) => conversation.find((turn) => turn.key === key) === null);
}

/**
 * Adds a turn for each pending run that has none. Its parent is the turn with the answer that the run follows, or null if the tree does not
 * contain that answer. Shows the branch of the run that the page followed last, if that run's turn is among the added ones. Otherwise the
 * same branch as before is on display.
 * @param sentByAccount whether this account is known to have sent the questions
 * @param account the account that would resume them
 * @returns the turn to resume without asking the user, or null
 */
export function placeRuns(conversation: Conversation, sentByAccount: boolean, account: Account): Turn | null {
  const shown = conversation.path().at(-1);
  const { run: lastRun } = readSession();
  let lastTurn: Turn | null = null;
  for (const { key, lastEventId, previousId, question } of unplacedRuns(conversation)) {
    const parent = previousId === null ? null : conversation.find(({ answer }) => answer?.id === previousId);
    const turn = conversation.add(parent, question?.input, question?.fields, key, previousId);
    const sentAt = question?.sentAt ?? 0;
    Object.assign(turn, { lastEventId, state: "stopped", sentAt, sentByAccount } satisfies Partial<Turn>);
    if (key === lastRun?.key) lastTurn = turn;
  }
  const next = lastTurn ?? shown;
  if (next !== undefined) conversation.show(next);
  return lastTurn !== null && canResume(lastTurn, lastRun?.question?.stopped === true, account) ? lastTurn : null;
}

/**
 * Whether a run may be resumed without asking the user. Resuming a run with events only reads them and never starts a call.
 *
 * A question that has received no event is sent again. Its key ensures that it is paid once, but only within a day, and only for the
 * account that sent it. Several people can share a key, so another person may have signed in after the reload. With a credential, the
 * question is therefore sent again only if this account was able to read the answer that it follows.
 */
function canResume(turn: Turn, stopped: boolean, { credential }: Account): boolean {
  if (turn.lastEventId !== "") return true;
  return !stopped && isPaidOnce(turn) && (credential === undefined || turn.parent !== null);
}
