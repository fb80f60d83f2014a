// A chat of one account: asks on the typed client, writes what comes into the tree of turns, and keeps the ids by which a reload goes on.
// What a failure proves is told by verdicts.ts, what is kept of answers on their way by flights.ts, whose all is by claim.ts.
import type { Account } from "../../lib/account.ts";
import { type Failure, failureOf } from "../../lib/call.ts";
import { claimOwnership, type Ownership } from "../../session/ownership.ts";
import { type SaveSession, storedSession } from "../../session/session-store.ts";
import { Branches, cameWith, idsOf } from "./branches.ts";
import { Conversation, type Fields, type Input, type Turn } from "./conversation.ts";
import { allRuns, runOf, withRun, withoutRun } from "../../session/runs.ts";
import { bringBack, KEY_MS, leftOut } from "./abandoned.ts";
import { stream, type TurnEvent } from "./stream.ts";
import { isOver } from "./failures.ts";

let count = 0;

export class Chat {
  /** Tells it from others. */
  readonly number = (count += 1);
  readonly account: Account;
  readonly conversation = new Conversation();
  /**
   * What was there before a reload is being read, or why it can't be: until it is there nobody knows which answer a question would follow.
   * Known from the start: there is no moment in which one could be asked.
   */
  restoring: "reading" | Failure | null;
  /** What was left belonged to another account. */
  lost = false;
  /** How many questions were left that may be another's: neither shown nor sent. */
  left = 0;
  /** By then nothing of another account's is kept any more. */
  readonly claimed: Promise<void>;
  #whose: Ownership["whose"] = "unknown";
  #keep: SaveSession = () => undefined;
  #running: { turn: Turn; abort: AbortController } | undefined;
  readonly #branches: Branches;
  #closed = false;

  constructor(account: Account) {
    this.account = account;
    this.#branches = new Branches(account, this.conversation);
    this.restoring = idsOf(storedSession()).length > 0 || allRuns(storedSession()).length > 0 ? "reading" : null;
    this.claimed = claimOwnership(account).then(({ whose, lost, keep }) => {
      this.#whose = whose;
      this.#keep = keep;
      this.lost = lost;
    });
  }

  /** The turn whose answer is being written. */
  get running(): Turn | undefined {
    return this.#running?.turn;
  }

  /** Nothing is to be asked now. */
  get held(): boolean {
    return this.running !== undefined || this.restoring !== null;
  }

  /** Why branches are missing that are not shown. */
  get unread(): Failure | null {
    return this.restoring === null ? (this.#branches.unread.values().next().value ?? null) : null;
  }

  /** Something of what was left can't ever be read again. */
  get gone(): boolean {
    return this.#branches.gone;
  }

  /** A question after the last answer of the branch that is shown; where that is not here, after what the branch begins with. */
  ask(input: Input, fields: Fields): Promise<void> {
    const parent = this.conversation.last();
    return this.#ask(
      { parent, previous: parent?.answer?.id ?? this.conversation.path()[0]?.previous ?? null },
      input,
      fields,
    );
  }

  /**
   * The same question anew: a fresh answer beside the one there is, and in the cache instead of it.
   * @param otherwise what it is asked with where a reload has forgotten that: then it is another question to the cache
   */
  retry(turn: Turn, otherwise: Fields): Promise<void> {
    return this.#ask(turn, turn.input ?? "", { ...(turn.fields ?? otherwise), cache: "refresh" });
  }

  /** Another question in a turn's place: a branch beside it. */
  branch(turn: Turn, input: Input, fields: Fields): Promise<void> {
    return this.#ask(turn, input, fields);
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
    if (this.held) return;
    await this.#listen(turn);
    await this.#findInput(turn);
  }

  /** What a reload has left behind: the branches by their ids, and the answers that were on their way. */
  async restore(): Promise<void> {
    if (this.restoring === null) return;
    this.restoring = "reading";
    this.conversation.changed();
    await this.claimed;
    if (this.#closed) return;
    const { shown, run: flight } = storedSession();
    await this.#branches.read(idsOf(storedSession()));
    if (this.#closed) return;
    const last = this.conversation.find(({ answer }) => answer !== undefined && answer.id === shown);
    if (last !== null) this.conversation.show(last);
    const { unread } = this.#branches;
    this.restoring = unread.get(shown ?? "") ?? unread.get(flight?.previous ?? "") ?? null;
    this.conversation.changed();
    if (this.restoring === null) await this.#goOn();
  }

  /** Without the conversation that can't be read: it is not given up, and what was on its way is heard all the same. */
  async goOnWithout(): Promise<void> {
    if (this.restoring === null || this.restoring === "reading") return;
    this.restoring = null;
    await this.#goOn();
  }

  /** Reads once more the branches that could not be. What is shown stays. */
  async readMissing(): Promise<void> {
    const shown = this.conversation.path().at(-1);
    await this.#branches.read([...this.#branches.unread.keys()]);
    if (shown !== undefined) this.conversation.show(shown);
    this.conversation.changed();
  }

  /** Whose they may be is up to who looks. */
  async showLeft(): Promise<void> {
    this.left = 0;
    await this.#bringBack();
  }

  discardLeft(): void {
    this.left = 0;
    for (const { key } of leftOut(this.conversation)) this.#keep(withoutRun(storedSession(), key));
    this.conversation.changed();
  }

  async #goOn(): Promise<void> {
    if (this.#whose === "own") return this.#bringBack();
    this.left = leftOut(this.conversation).length;
    this.conversation.changed();
  }

  async #bringBack(): Promise<void> {
    const turn = bringBack(this.conversation, this.#whose === "own", this.account);
    this.conversation.changed();
    if (turn !== null) await this.resume(turn);
  }

  async #findInput(turn: Turn): Promise<void> {
    if (turn.answer === undefined || turn.input !== undefined) return;
    turn.input = await this.#branches.inputOf(turn.answer);
    this.conversation.changed();
  }

  async #ask({ parent, previous }: Pick<Turn, "parent" | "previous">, input: Input, fields: Fields): Promise<void> {
    if (this.held) return;
    this.lost = false;
    this.#branches.gone = false;
    await this.#listen(this.conversation.add(parent, input, fields, crypto.randomUUID(), previous));
  }

  async #listen(turn: Turn): Promise<void> {
    const abort = new AbortController();
    this.#running = { turn, abort };
    Object.assign(turn, { state: "streaming", failure: undefined } satisfies Partial<Turn>);
    this.conversation.changed();
    await this.claimed;
    if (Date.now() - turn.at >= KEY_MS) turn.at = Date.now();
    turn.known = true;
    // Before anything is sent: the page may be left at any time.
    this.#keepFlight(turn);
    try {
      for await (const event of stream(this.account, turn, abort.signal)) this.#take(turn, event);
    } catch (error) {
      const failure = failureOf(error);
      if (abort.signal.aborted) turn.state = "stopped";
      else Object.assign(turn, { state: isOver(failure) ? "failed" : "broken", failure } satisfies Partial<Turn>);
    }
    this.#running = undefined;
    if (this.#closed) return;
    this.#keepFlight(turn);
    this.#keep({
      leaves: this.#branches.ends(),
      shown: this.#shown(),
      came: cameWith(turn),
    });
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

  #keepFlight(turn: Turn): void {
    const over = turn.state === "done" || turn.state === "failed";
    this.#keep(over ? withoutRun(storedSession(), turn.key) : withRun(storedSession(), runOf(turn)));
  }

  #shown(): string | null {
    return this.conversation.last()?.answer?.id ?? null;
  }
}
