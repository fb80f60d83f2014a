// A conversation as a tree: every turn continues one answer, and a question that is asked anew or changed is a branch beside it. Knows
// nothing of the network and nothing of the page.
import type { Answer, Input } from "../../../client/client.ts";
import type { Failure } from "../../lib/call.ts";

export type { Answer, Input };
export type ToolCall = NonNullable<Answer["tool_calls"]>[number];

/** What was sent beside `input` and `previous_response_id`. */
export type Fields = Record<string, unknown>;

export interface Turn {
  readonly number: number;
  readonly parent: Turn | null;
  /** Id of the answer that it follows, also where that can't be shown and `parent` is null. */
  readonly previous: string | null;
  readonly children: Turn[];
  /** Of the children, the one whose branch is shown. */
  shown: Turn | null;
  /** Undefined: a reload has forgotten it, and the answer is not there yet. */
  input: Input | undefined;
  /** Undefined: read again by its id, which does not tell. */
  readonly fields: Fields | undefined;
  /** `broken`: it failed here, and the Worker may have the rest; `failed`: there is no more to hear. */
  state: "streaming" | "stopped" | "done" | "broken" | "failed";
  text: string;
  reasoning: string;
  refusal: string;
  toolCalls: ToolCall[];
  answer: Answer | undefined;
  failure: Failure | undefined;
  /** The key under which the Worker keeps it, and the last event that was seen. */
  key: string;
  event: string;
  /** When the key was first sent, in milliseconds; 0: not yet, or that does not matter any more. */
  at: number;
  /** It is known that this account has sent it. */
  known: boolean;
  cacheStatus: string | null;
  continuity: string | null;
}

export class Conversation {
  readonly roots: Turn[] = [];
  #shown: Turn | null = null;
  #count = 0;
  readonly #watchers = new Set<() => void>();

  /** @returns what ends it */
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
    previous: string | null = parent?.answer?.id ?? null,
  ): Turn {
    const turn: Turn = {
      number: (this.#count += 1),
      parent,
      previous,
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
      event: "",
      at: 0,
      known: false,
      cacheStatus: null,
      continuity: null,
    };
    this.siblings(turn).push(turn);
    this.show(turn);
    return turn;
  }

  /** A turn that is over, as it was read by its id. Known ones are not added twice. */
  restore(parent: Turn | null, input: Input, answer: Answer): Turn {
    const known = (parent?.children ?? this.roots).find((turn) => turn.answer?.id === answer.id);
    if (known !== undefined) return known;
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

  /** Itself among them. */
  siblings({ parent }: Turn): Turn[] {
    return parent?.children ?? this.roots;
  }

  /** Shows the branch to which a turn belongs. */
  show(turn: Turn): void {
    let root = turn;
    for (; root.parent !== null; root = root.parent) root.parent.shown = root;
    this.#shown = root;
    this.changed();
  }

  /** From the root to the end of the branch that is shown. */
  path(): Turn[] {
    const path: Turn[] = [];
    for (let at = this.#shown; at !== null; at = at.shown) path.push(at);
    return path;
  }

  find(is: (turn: Turn) => boolean, among: readonly Turn[] = this.roots): Turn | null {
    for (const turn of among) {
      const found = is(turn) ? turn : this.find(is, turn.children);
      if (found !== null) return found;
    }
    return null;
  }

  /** The last answer of the shown branch: what the next question continues. */
  last(): Turn | null {
    return this.path().findLast(({ answer }) => answer !== undefined) ?? null;
  }

  /** Ids by which a reload finds all of it again. */
  leaves(): string[] {
    const leaves: string[] = [];
    const visit = (turn: Turn): boolean => {
      const below = turn.children.map(visit).some(Boolean);
      if (!below && turn.answer !== undefined) leaves.push(turn.answer.id);
      return below || turn.answer !== undefined;
    };
    for (const root of this.roots) visit(root);
    return leaves;
  }
}

/** What was asked, in words. */
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
