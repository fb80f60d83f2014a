// Answers on their way, as far as a reload must know them: asked (nothing has come, so the question is kept), then begun (ids are enough),
// then over (forgotten). One is heard at a time; those that were stopped or broke off wait. Data in, data out.
import type { Fields, Input, Turn } from "../chat/model/conversation.ts";

export interface PendingRun {
  /** Idempotency-Key. */
  key: string;
  /** Id of an event of its recording, after which it goes on. "": none has come yet. */
  event: string;
  /** Id of the answer that it follows. */
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

export interface PendingRuns {
  /** The one that is heard, or was heard last: a reload goes on with it. */
  run: PendingRun | null;
  /** Oldest first. A reload shows them, and goes on with them when one wants it. */
  waiting: PendingRun[];
}

export function allRuns({ run: flight, waiting }: PendingRuns): PendingRun[] {
  return flight === null ? waiting : [...waiting, flight];
}

const MOST_WAITING = 20;

export function runOf({ key, event, previous, input, fields = {}, at, state }: Turn): PendingRun {
  const asked =
    event === "" && input !== undefined ? { asked: { input, fields, at, stopped: state === "stopped" } } : {};
  // A reload hears it again from its first event, since it has forgotten the text.
  return { key, event: event.replace(/\d+$/, "0"), previous, ...asked };
}

/** It is heard from now on, or has come on. */
export function withRun(before: PendingRuns, flight: PendingRun): PendingRuns {
  const others = allRuns(before).filter(({ key }) => key !== flight.key);
  return { run: flight, waiting: others.slice(-MOST_WAITING) };
}

/** It is over. */
export function withoutRun({ run: flight, waiting }: PendingRuns, over: string): PendingRuns {
  return { run: flight?.key === over ? null : flight, waiting: waiting.filter(({ key }) => key !== over) };
}
