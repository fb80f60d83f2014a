// A conversation as a tree of turns. A turn that is not a root follows its parent's answer. Retrying or editing a question adds a branch
// beside the original. Knows neither the network nor the page.
import type { Answer, Input } from "../../../client/client.ts";
import type { Failure } from "../../lib/call.ts";

export type { Answer, Input };
export type ToolCall = NonNullable<Answer["tool_calls"]>[number];

/** Sent beside `input` and `previous_response_id`. */
export type Fields = Record<string, unknown>;

export interface Turn {
  readonly number: number;
  readonly parent: Turn | null;
  /** Id of the answer that the turn follows, even if that answer can't be shown and `parent` is null. */
  readonly previousId: string | null;
  readonly children: Turn[];
  /** The child whose branch is on display. */
  shown: Turn | null;
  /** Undefined if a reload lost the question and the answer has not arrived yet. */
  input: Input | undefined;
  /** Undefined for a turn that was read by its id: the Worker does not return the fields. */
  readonly fields: Fields | undefined;
  /** `broken`: interrupted, but the Worker may have the rest. `failed`: ended without an answer. */
  state: "streaming" | "stopped" | "done" | "broken" | "failed";
  text: string;
  reasoning: string;
  refusal: string;
  toolCalls: ToolCall[];
  answer: Answer | undefined;
  failure: Failure | undefined;
  /** The Idempotency-Key, which identifies the run. */
  key: string;
  /** "" before the first event. */
  lastEventId: string;
  /** When the key was first sent, in Unix milliseconds; 0 if it was never sent or the time is no longer needed. */
  sentAt: number;
  /** Whether this account is known to have sent the question. */
  sentByAccount: boolean;
  cacheStatus: string | null;
  continuity: string | null;
}

export class Conversation {
  readonly roots: Turn[] = [];
  #shown: Turn | null = null;
  #count = 0;
  readonly #watchers = new Set<() => void>();

  /** @returns a function that removes the watcher */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  changed(): void {
    for (const watcher of this.#watchers) watcher();
  }

  add(
    parent: Turn | null,
    input: Input | undefined,
    fields: Fields | undefined,
    key: string,
    previousId: string | null = parent?.answer?.id ?? null,
  ): Turn {
    const turn: Turn = {
      number: (this.#count += 1),
      parent,
      previousId,
      children: [],
      shown: null,
      input,
      fields,
      state: "streaming",
      text: "",
      reasoning: "",
      refusal: "",
      toolCalls: [],
      answer: undefined,
      failure: undefined,
      key,
      lastEventId: "",
      sentAt: 0,
      sentByAccount: false,
      cacheStatus: null,
      continuity: null,
    };
    this.siblings(turn).push(turn);
    this.show(turn);
    return turn;
  }

  /** Adds a finished turn that was read by its id, unless it is in the tree already. */
  restore(parent: Turn | null, input: Input, answer: Answer): Turn {
    const existing = (parent?.children ?? this.roots).find((turn) => turn.answer?.id === answer.id);
    if (existing !== undefined) return existing;
    const turn = this.add(parent, input, undefined, "");
    this.finish(turn, answer);
    return turn;
  }

  finish(turn: Turn, answer: Answer): void {
    Object.assign(turn, {
      answer,
      state: "done",
      text: answer.text,
      reasoning: answer.reasoning_summary ?? "",
      refusal: answer.refusal ?? "",
      toolCalls: answer.tool_calls ?? [],
    } satisfies Partial<Turn>);
    this.changed();
  }

  /** The turn itself and the other branches of the same parent. */
  siblings({ parent }: Turn): Turn[] {
    return parent?.children ?? this.roots;
  }

  /** Puts the branch of a turn on display. */
  show(turn: Turn): void {
    let root = turn;
    for (; root.parent !== null; root = root.parent) root.parent.shown = root;
    this.#shown = root;
    this.changed();
  }

  /** The branch on display, from its root to its end. */
  path(): Turn[] {
    const path: Turn[] = [];
    for (let turn = this.#shown; turn !== null; turn = turn.shown) path.push(turn);
    return path;
  }

  find(matches: (turn: Turn) => boolean, turns: readonly Turn[] = this.roots): Turn | null {
    for (const turn of turns) {
      const found = matches(turn) ? turn : this.find(matches, turn.children);
      if (found !== null) return found;
    }
    return null;
  }

  /** The turn with the last answer on display: the next question continues it. */
  last(): Turn | null {
    return this.path().findLast(({ answer }) => answer !== undefined) ?? null;
  }

  /** Ids from which a reload can restore every branch. */
  leaves(): string[] {
    const leaves: string[] = [];
    const visit = (turn: Turn): boolean => {
      const hasAnswerBelow = turn.children.map(visit).some(Boolean);
      if (!hasAnswerBelow && turn.answer !== undefined) leaves.push(turn.answer.id);
      return hasAnswerBelow || turn.answer !== undefined;
    };
    for (const root of this.roots) visit(root);
    return leaves;
  }
}

/** The question as text. */
export function inputText(input: Input | undefined): string {
  if (input === undefined || typeof input === "string") return input ?? "";
  return input
    .map(itemText)
    .filter((text) => text !== "")
    .join("\n");
}

function itemText(item: Record<string, unknown>): string {
  if (item["type"] === "function_call_output")
    return typeof item["output"] === "string" ? item["output"] : JSON.stringify(item["output"]);
  const { content } = item;
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((part: { text?: string; type?: string }) => part.text ?? `[${part.type ?? "part"}]`).join("\n");
}
