// A chat of one account: asks on the typed client, writes what comes into the tree of turns, and keeps the ids by which a reload goes on.
import { type Account, mayReadById } from "../account.ts";
import { call, failureOf, OUT_OF_REACH } from "../call.ts";
import { type Flight, keep, kept } from "../kept.ts";
import { type Answer, Conversation, type Fields, type Input, type Turn } from "./conversation.ts";
import { stream, type TurnEvent } from "./stream.ts";

export class Chat {
  readonly account: Account;
  readonly conversation = new Conversation();
  #running: { turn: Turn; abort: AbortController } | undefined;
  /** Ids of branches that could not be read just now: they are not given up. */
  #unread: string[] = [];

  constructor(account: Account) {
    this.account = account;
  }

  /** The turn whose answer is being written. */
  get running(): Turn | undefined {
    return this.#running?.turn;
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

  stop(): void {
    this.#running?.abort.abort();
  }

  /** Goes on with an answer that was stopped here or broke off: the Worker has kept what it was told meanwhile. */
  resume(turn: Turn): Promise<void> {
    return this.#listen(turn);
  }

  /** What a reload has left behind: the branches by their ids, and the answer that was being written. */
  async restore(): Promise<void> {
    const { leaves, shown, flight } = kept();
    const ids = [...new Set([...leaves, ...(shown === null ? [] : [shown]), ...(flight?.previous ? [flight.previous] : [])])];
    const threads = mayReadById(this.account) ? await Promise.all(ids.map((id) => this.#thread(id))) : [];
    for (const thread of threads) {
      let parent: Turn | null = null;
      for (const { input, answer } of thread) parent = this.conversation.restore(parent, input, answer);
    }
    const last = this.#find(shown);
    if (last !== null) this.conversation.show(last);
    if (flight !== null) await this.#goOn(flight);
  }

  async #goOn({ key, event, previous }: Flight): Promise<void> {
    const parent = this.#find(previous);
    // Of another account, or gone; or not to be read just now.
    if (previous !== null && parent === null) return this.#unread.includes(previous) ? undefined : keep({ flight: null });
    const turn = this.conversation.add(parent, undefined, undefined, key);
    turn.event = event;
    await this.#listen(turn);
    if (turn.answer === undefined || !mayReadById(this.account)) return;
    turn.input = (await this.#thread(turn.answer.id)).at(-1)?.input;
    this.conversation.changed();
  }

  async #ask(parent: Turn | null, input: Input, fields: Fields): Promise<void> {
    if (this.#running !== undefined) return;
    await this.#listen(this.conversation.add(parent, input, fields, crypto.randomUUID()));
  }

  async #listen(turn: Turn): Promise<void> {
    const abort = new AbortController();
    this.#running = { turn, abort };
    Object.assign(turn, { state: "streaming", failure: undefined } satisfies Partial<Turn>);
    this.conversation.changed();
    try {
      for await (const event of stream(this.account, turn, abort.signal)) this.#take(turn, event);
    } catch (error) {
      if (abort.signal.aborted) turn.state = "stopped";
      else Object.assign(turn, { state: "failed", failure: failureOf(error) } satisfies Partial<Turn>);
    }
    this.#running = undefined;
    const leaves = [...new Set([...this.conversation.leaves(), ...this.#unread])];
    // What was stopped here or broke off goes on there: a reload hears the rest.
    const over = turn.state === "done" || (turn.state === "failed" && !OUT_OF_REACH.has(turn.failure?.code ?? ""));
    keep({ leaves, shown: this.conversation.last()?.answer?.id ?? null, ...(over ? { flight: null } : {}) });
    this.conversation.changed();
  }

  #take(turn: Turn, said: TurnEvent): void {
    // The first event names the recording: a reload hears it again from there, since it has forgotten the text.
    if (turn.event === "") keep({ flight: { key: turn.key, event: said.id, previous: turn.parent?.answer?.id ?? null } });
    turn.event = said.id;
    if (said.event === "done") return this.conversation.finish(turn, said.data);
    if (said.event === "tool_call") turn.toolCalls = [...turn.toolCalls, said.data];
    else if (said.event !== "start") turn[said.event] += said.data.delta;
    this.conversation.changed();
  }

  /** From its root to this answer; empty where that can't be read any more, or not now. */
  async #thread(id: string): Promise<{ input: Input; answer: Answer }[]> {
    try {
      return ((await call(this.account, `/ask/${encodeURIComponent(id)}?thread=true`)) as { turns: { input: Input; answer: Answer }[] })
        .turns;
    } catch (error) {
      if (OUT_OF_REACH.has(failureOf(error).code)) this.#unread.push(id);
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
