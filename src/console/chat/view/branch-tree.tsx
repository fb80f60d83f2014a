// Shows all branches of the conversation as a tree of buttons.
import { useState } from "preact/hooks";
import { isWide } from "./is-wide.ts";
import type { Chat } from "../model/chat.ts";
import { inputText, type Turn } from "../model/conversation.ts";

export function BranchTree({ chat }: { chat: Chat }) {
  const { conversation } = chat;
  const [open, setOpen] = useState(isWide);
  const shown = new Set(conversation.path());
  return (
    <details class="panel" open={open} onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        <h2>Branches</h2>
      </summary>
      <nav aria-label="Branches">
        <Level turns={conversation.roots} chat={chat} shown={shown} />
      </nav>
    </details>
  );
}

/** Returns the question, or a placeholder if a reload lost it. A lost question is unknown until its answer arrives. */
function nameOf({ input, state }: Turn): string {
  if (input === undefined && (state === "stopped" || state === "broken")) return "Waiting to be continued";
  return inputText(input) || "…";
}

/** Turns of one branch have the same indentation; branches are indented further. */
function Level({ turns, chat, shown }: { turns: readonly Turn[]; chat: Chat; shown: ReadonlySet<Turn> }) {
  return (
    <ul class={turns.length > 1 ? "tree forked" : "tree"}>
      {turns.map((turn) => (
        <li key={turn.number}>
          <button
            type="button"
            class={shown.has(turn) ? "tree-turn shown" : "tree-turn"}
            aria-current={shown.has(turn) ? "true" : undefined}
            onClick={() => chat.show(turn)}
          >
            {nameOf(turn)}
          </button>
          {turn.children.length > 0 && <Level turns={turn.children} chat={chat} shown={shown} />}
        </li>
      ))}
    </ul>
  );
}
