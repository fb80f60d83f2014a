// A chat of one account: sends questions through the typed client, adds what arrives to the tree of turns, and stores the ids from which a
// reload continues. failures.ts decides what a failure proves, session/ownership.ts whether the stored session belongs to the account.
import type { Account } from "../../lib/account.ts";
import { type Failure, failureOf } from "../../lib/call.ts";
import { claimOwnership, type Ownership } from "../../session/ownership.ts";
import { allRuns, withoutRun, withRun } from "../../session/runs.ts";
import { readSession } from "../../session/session-store.ts";
import { KEY_LIFETIME_MS, pendingRunOf, placeRuns, unplacedRuns } from "./abandoned.ts";
import { Branches, idsToRead, receivedAtWith } from "./branches.ts";
import { Conversation, type Fields, type Input, type Turn } from "./conversation.ts";
import { isOver } from "./failures.ts";
import { streamTurn, type TurnEvent } from "./stream.ts";

/**
 * What a chat is doing. A question can be sent in `idle` only.
 *
 *     reading -> idle <-> answering
 *     reading <-> unreadable -> idle
 *     any -> closed
 */
export type ChatState =
  /** Branches from before a reload are being read. Until they are, it is unknown which answer a question follows. */
  | { name: "reading" }
  /** The branches can't be read right now. */
  | { name: "unreadable"; failure: Failure }
  | { name: "idle" }
  | { name: "answering"; turn: Turn; abort: AbortController }
  /** No view shows this chat anymore, so it sends and stores nothing. */
  | { name: "closed" };

const UNCLAIMED: Ownership = { verdict: "unknown", discardedRun: false, writeSession: () => undefined };

let count = 0;

export class Chat {
  /** Unique within the page. */
  readonly number = (count += 1);
  readonly account: Account;
  readonly conversation = new Conversation();
  /** Whether a pending run of another account was cleared. Reset by the next question. */
  discardedRun = false;
  /** The number of pending runs that may belong to another account. They are neither shown nor resumed until the user decides. */
  unclaimed = 0;
  /** Resolves when ownership.ts has decided whose session is stored, and has cleared it if it is another account's. */
  readonly ownershipClaimed: Promise<void>;
  #ownership = UNCLAIMED;
  #state: ChatState;
  readonly #branches: Branches;

  constructor(account: Account) {
    this.account = account;
    this.#branches = new Branches(account, this.conversation);
    const session = readSession();
    // The state is set in the constructor, so that no question can be sent before the branches are read.
    const hasStored = idsToRead(session).length > 0 || allRuns(session).length > 0;
    this.#state = { name: hasStored ? "reading" : "idle" };
    this.ownershipClaimed = claimOwnership(account).then((ownership) => {
      this.#ownership = ownership;
      this.discardedRun = ownership.discardedRun;
    });
  }

  get state(): ChatState {
    return this.#state;
  }

  /** The turn whose answer is arriving. */
  get running(): Turn | undefined {
    return this.#state.name === "answering" ? this.#state.turn : undefined;
  }

  /** Whether no question can be sent now. */
  get isBusy(): boolean {
    return this.#state.name !== "idle";
  }

  /** Whether the conversation from before a reload has yet to be restored. */
  get isRestoring(): boolean {
    return this.#state.name === "reading" || this.#state.name === "unreadable";
  }

  /** Why a branch that is not on display can't be read. Null if no branch is missing, and while `isRestoring`. */
  get unread(): Failure | null {
    return this.isRestoring ? null : (this.#branches.unread.values().next().value ?? null);
  }

  /** Whether part of the conversation can never be read again. */
  get gone(): boolean {
    return this.#branches.gone;
  }

  /**
   * Sends a question that follows the last answer on display. If no answer is on display, the question follows the same answer as the first
   * turn on display.
   */
  ask(input: Input, fields: Fields): Promise<void> {
    const parent = this.conversation.last();
    const previousId = parent?.answer?.id ?? this.conversation.path()[0]?.previousId ?? null;
    return this.#send({ parent, previousId }, input, fields);
  }

  /**
   * Sends the same question again. The new answer appears beside the first one, and replaces it in the cache.
   * @param fallback the fields to use if a reload has lost the turn's own. If they differ, the cache sees a different question
   */
  retry(turn: Turn, fallback: Fields): Promise<void> {
    return this.#send(turn, turn.input ?? "", { ...(turn.fields ?? fallback), cache: "refresh" });
  }

  /** Sends another question after the same parent. The question starts a branch beside the turn. */
  branch(turn: Turn, input: Input, fields: Fields): Promise<void> {
    return this.#send(turn, input, fields);
  }

  /** Shows the branch of a turn, now and after a reload. */
  show(turn: Turn): void {
    this.conversation.show(turn);
    this.#ownership.writeSession({ shownId: this.#shownId() });
  }

  stop(): void {
    if (this.#state.name === "answering") this.#state.abort.abort();
  }

  /** Ends the chat: from now on it sends and stores nothing. */
  close(): void {
    this.stop();
    this.#state = { name: "closed" };
  }

  /** Resumes an answer that was stopped or interrupted. The Worker has recorded the rest meanwhile. */
  async resume(turn: Turn): Promise<void> {
    if (this.isBusy) return;
    await this.#follow(turn);
    await this.#restoreInput(turn);
  }

  /** Restores the state from before a reload: the branches by their ids, and the pending runs. */
  async restore(): Promise<void> {
    if (!this.isRestoring) return;
    this.#enter({ name: "reading" });
    await this.ownershipClaimed;
    if (this.#isClosed()) return;
    const { shownId: shown, run } = readSession();
    await this.#branches.read(idsToRead(readSession()));
    if (this.#isClosed()) return;
    const lastShown = this.conversation.find(({ answer }) => answer !== undefined && answer.id === shown);
    if (lastShown !== null) this.conversation.show(lastShown);
    const { unread } = this.#branches;
    const failure = unread.get(shown ?? "") ?? unread.get(run?.previousId ?? "");
    if (failure !== undefined) return this.#enter({ name: "unreadable", failure });
    this.#enter({ name: "idle" });
    await this.#restoreRuns();
  }

  /** Continues without the conversation that can't be read. Its ids remain stored, and its pending runs are still resumed. */
  async continueWithout(): Promise<void> {
    if (this.#state.name !== "unreadable") return;
    this.#state = { name: "idle" };
    await this.#restoreRuns();
  }

  /** Tries again to read the missing branches. The branch on display does not change. */
  async readMissing(): Promise<void> {
    const shown = this.conversation.path().at(-1);
    await this.#branches.read([...this.#branches.unread.keys()]);
    if (shown !== undefined) this.conversation.show(shown);
    this.conversation.changed();
  }

  /** Shows the unclaimed runs. Call this when the user claims them. */
  async showUnclaimed(): Promise<void> {
    this.unclaimed = 0;
    await this.#placeRuns();
  }

  discardUnclaimed(): void {
    this.unclaimed = 0;
    for (const { key } of unplacedRuns(this.conversation)) this.#ownership.writeSession(withoutRun(readSession(), key));
    this.conversation.changed();
  }

  async #restoreRuns(): Promise<void> {
    if (this.#ownership.verdict === "own") return this.#placeRuns();
    this.unclaimed = unplacedRuns(this.conversation).length;
    this.conversation.changed();
  }

  async #placeRuns(): Promise<void> {
    const turn = placeRuns(this.conversation, this.#ownership.verdict === "own", this.account);
    this.conversation.changed();
    if (turn !== null) await this.resume(turn);
  }

  /** Reads a question by the id of its answer, if the run was resumed only by its key. */
  async #restoreInput(turn: Turn): Promise<void> {
    if (turn.answer === undefined || turn.input !== undefined) return;
    turn.input = await this.#branches.inputOf(turn.answer);
    this.conversation.changed();
  }

  async #send(
    { parent, previousId }: Pick<Turn, "parent" | "previousId">,
    input: Input,
    fields: Fields,
  ): Promise<void> {
    if (this.isBusy) return;
    this.discardedRun = false;
    this.#branches.gone = false;
    await this.#follow(this.conversation.add(parent, input, fields, crypto.randomUUID(), previousId));
  }

  /** Reads the events of a turn's run until it ends, fails or is stopped. */
  async #follow(turn: Turn): Promise<void> {
    const abort = new AbortController();
    Object.assign(turn, { state: "streaming", failure: undefined } satisfies Partial<Turn>);
    this.#enter({ name: "answering", turn, abort });
    await this.ownershipClaimed;
    if (Date.now() - turn.sentAt >= KEY_LIFETIME_MS) turn.sentAt = Date.now();
    turn.sentByAccount = true;
    // The run is stored before anything is sent, because the page may be closed at any time.
    this.#storeRun(turn);
    try {
      for await (const event of streamTurn(this.account, turn, abort.signal)) this.#addEvent(turn, event);
    } catch (error) {
      const failure = failureOf(error);
      if (abort.signal.aborted) turn.state = "stopped";
      else Object.assign(turn, { state: isOver(failure) ? "failed" : "broken", failure } satisfies Partial<Turn>);
    }
    if (this.#isClosed()) return;
    this.#storeRun(turn);
    this.#ownership.writeSession({
      leaves: this.#branches.leaves(),
      shownId: this.#shownId(),
      receivedAt: receivedAtWith(turn),
    });
    this.#enter({ name: "idle" });
  }

  #addEvent(turn: Turn, { event, data, id }: TurnEvent): void {
    const isFirst = turn.lastEventId === "";
    turn.lastEventId = id;
    if (isFirst) this.#storeRun(turn);
    if (event === "done") return this.conversation.finish(turn, data);
    if (event === "tool_call") turn.toolCalls = [...turn.toolCalls, data];
    else if (event !== "start") turn[event] += data.delta;
    this.conversation.changed();
  }

  #storeRun(turn: Turn): void {
    const hasEnded = turn.state === "done" || turn.state === "failed";
    this.#ownership.writeSession(
      hasEnded ? withoutRun(readSession(), turn.key) : withRun(readSession(), pendingRunOf(turn)),
    );
  }

  #enter(state: ChatState): void {
    this.#state = state;
    this.conversation.changed();
  }

  #isClosed(): boolean {
    return this.#state.name === "closed";
  }

  #shownId(): string | null {
    return this.conversation.last()?.answer?.id ?? null;
  }
}
