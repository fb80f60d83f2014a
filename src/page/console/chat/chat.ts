// A chat of one account: asks on the typed client, writes what comes into the tree of turns, and keeps the ids by which a reload goes on.
import { type Account, mayReadById } from "../account.ts";
import { call, type Failure, failureOf, OUT_OF_REACH } from "../call.ts";
import { type Asked, type Flight, keeper, kept } from "../kept.ts";
import { type Answer, Conversation, type Fields, type Input, type Turn } from "./conversation.ts";
import { stream, type TurnEvent } from "./stream.ts";

/** How long the Worker knows an Idempotency-Key. After that the same question is another call. */
const KEY_MS = 86_400_000;

export class Chat {
  readonly account: Account;
  readonly conversation = new Conversation();
  /**
   * What was there before a reload is being read, or why it can't be: until it is there nobody knows which answer a question would follow.
   * Known from the start: there is no moment in which one could be asked.
   */
  restoring: "reading" | Failure | null;
  /** An answer was being written when the page was left, and what it follows can't be read any more. */
  lost = false;
  #running: { turn: Turn; abort: AbortController } | undefined;
  /** Branches that could not be read just now, and why: they are not given up. */
  #unread = new Map<string, Failure>();
  #closed = false;
  readonly #keep = keeper();

  constructor(account: Account) {
    this.account = account;
    this.restoring = this.#ids().length > 0 || kept().flight !== null ? "reading" : null;
  }

  /** The turn whose answer is being written. */
  get running(): Turn | undefined {
    return this.#running?.turn;
  }

  /** Nothing is to be asked now. */
  get held(): boolean {
    return this.running !== undefined || this.restoring !== null;
  }

  /** A question after the last answer of the branch that is shown. */
  ask(input: Input, fields: Fields): Promise<void> {
    return this.#ask(this.conversation.last(), input, fields);
  }

  /** The same question anew: a fresh answer beside the one there is, and in the cache instead of it. */
  retry({ parent, input = "", fields }: Turn, otherwise: Fields): Promise<void> {
    return this.#ask(parent, input, { ...(fields ?? otherwise), cache: "refresh" });
  }

  /** Another question in a turn's place: a branch beside it. */
  branch({ parent }: Turn, input: Input, fields: Fields): Promise<void> {
    return this.#ask(parent, input, fields);
  }

  /** The branch of a turn is shown, also after a reload. */
  show(turn: Turn): void {
    this.conversation.show(turn);
    this.#keep({ shown: this.#shown() });
  }

  stop(): void {
    this.#running?.abort.abort();
  }

  /** Nobody looks any more: nothing is asked and nothing is kept by this chat from now on. */
  close(): void {
    this.#closed = true;
    this.stop();
  }

  /** Goes on with an answer that was stopped here or broke off: the Worker has kept what it was told meanwhile. */
  async resume(turn: Turn): Promise<void> {
    if (!this.held) await this.#listen(turn);
  }

  /** What a reload has left behind: the branches by their ids, and the answer that was being written. */
  async restore(): Promise<void> {
    const { shown, flight } = kept();
    if (this.restoring === null) return;
    this.restoring = "reading";
    this.#unread.clear();
    this.conversation.changed();
    const threads = mayReadById(this.account) ? await Promise.all(this.#ids().map((id) => this.#thread(id))) : [];
    if (this.#closed) return;
    for (const thread of threads) {
      let parent: Turn | null = null;
      for (const { input, answer } of thread) parent = this.conversation.restore(parent, input, answer);
    }
    const last = this.#find(shown);
    if (last !== null) this.conversation.show(last);
    this.restoring = this.#unread.get(shown ?? "") ?? this.#unread.get(flight?.previous ?? "") ?? null;
    this.conversation.changed();
    if (flight !== null && this.restoring === null) await this.#goOn(flight);
  }

  /** Of all answers that are to be read again, with what they follow. */
  #ids(): string[] {
    const { leaves, shown, flight } = kept();
    return [...new Set([...leaves, shown, flight?.previous].filter((id) => typeof id === "string"))];
  }

  async #goOn({ key, event, previous, asked }: Flight): Promise<void> {
    const parent = this.#find(previous);
    if (previous !== null && parent === null) {
      // Of another account, or gone.
      this.lost = true;
      this.#keep({ flight: null });
      return this.conversation.changed();
    }
    const turn = this.conversation.add(parent, asked?.input, asked?.fields, key);
    turn.event = event;
    if (asked !== undefined && !this.#mayAskAgain(asked, parent)) {
      turn.state = "stopped";
      return this.conversation.changed();
    }
    await this.#listen(turn);
    if (turn.answer === undefined || turn.input !== undefined || !mayReadById(this.account)) return;
    turn.input = (await this.#thread(turn.answer.id)).at(-1)?.input;
    this.conversation.changed();
  }

  /**
   * Whether a question of which nothing had come is sent again by itself. With its key it is asked and paid once, but only within a day,
   * and only by whom it is from: who signs in after a reload may be somebody else, unless what it follows can be read.
   */
  #mayAskAgain({ at, stopped }: Asked, parent: Turn | null): boolean {
    return !stopped && Date.now() - at < KEY_MS && (this.account.credential === undefined || parent !== null);
  }

  async #ask(parent: Turn | null, input: Input, fields: Fields): Promise<void> {
    if (this.held) return;
    this.lost = false;
    await this.#listen(this.conversation.add(parent, input, fields, crypto.randomUUID()));
  }

  async #listen(turn: Turn): Promise<void> {
    const abort = new AbortController();
    this.#running = { turn, abort };
    Object.assign(turn, { state: "streaming", failure: undefined } satisfies Partial<Turn>);
    // Before anything is sent: the page may be left at any time.
    this.#keepFlight(turn);
    this.conversation.changed();
    try {
      for await (const event of stream(this.account, turn, abort.signal)) this.#take(turn, event);
    } catch (error) {
      if (abort.signal.aborted) turn.state = "stopped";
      else Object.assign(turn, { state: "failed", failure: failureOf(error) } satisfies Partial<Turn>);
    }
    this.#running = undefined;
    if (this.#closed) return;
    const leaves = [...new Set([...this.conversation.leaves(), ...this.#unread.keys()])];
    // What was stopped here or broke off goes on there: a reload hears the rest.
    const over = turn.state === "done" || (turn.state === "failed" && !OUT_OF_REACH.has(turn.failure?.code ?? ""));
    this.#keep({ leaves, shown: this.#shown(), ...(over ? { flight: null } : {}) });
    if (turn.state === "stopped") this.#keepFlight(turn);
    this.conversation.changed();
  }

  #take(turn: Turn, said: TurnEvent): void {
    const first = turn.event === "";
    turn.event = said.id;
    if (first) this.#keepFlight(turn);
    if (said.event === "done") return this.conversation.finish(turn, said.data);
    if (said.event === "tool_call") turn.toolCalls = [...turn.toolCalls, said.data];
    else if (said.event !== "start") turn[said.event] += said.data.delta;
    this.conversation.changed();
  }

  #keepFlight({ key, event, parent, input, fields = {}, state }: Turn): void {
    const before = kept().flight;
    const at = (before?.key === key ? before.asked?.at : undefined) ?? Date.now();
    const asked = event === "" && input !== undefined ? { asked: { input, fields, at, stopped: state === "stopped" } } : {};
    // A reload hears it again from its first event, since it has forgotten the text.
    this.#keep({ flight: { key, event: event.replace(/\d+$/, "0"), previous: parent?.answer?.id ?? null, ...asked } });
  }

  #shown(): string | null {
    return this.conversation.last()?.answer?.id ?? null;
  }

  /** From its root to this answer; empty where that can't be read any more, or not now. */
  async #thread(id: string): Promise<{ input: Input; answer: Answer }[]> {
    try {
      return ((await call(this.account, `/ask/${encodeURIComponent(id)}?thread=true`)) as { turns: { input: Input; answer: Answer }[] })
        .turns;
    } catch (error) {
      const failure = failureOf(error);
      if (OUT_OF_REACH.has(failure.code)) this.#unread.set(id, failure);
      return [];
    }
  }

  #find(id: string | null, among: readonly Turn[] = this.conversation.roots): Turn | null {
    if (id === null) return null;
    for (const turn of among) {
      const found = turn.answer?.id === id ? turn : this.#find(id, turn.children);
      if (found !== null) return found;
    }
    return null;
  }
}
