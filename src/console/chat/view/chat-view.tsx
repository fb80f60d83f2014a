// The chat: the branch that is shown, the field to ask in, and beside them what is asked with and all branches.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Account } from "../../lib/account.ts";
import { useChanges } from "../../lib/use-changes.ts";
import { BranchTree } from "./branch-tree.tsx";
import type { Chat } from "../model/chat.ts";
import { Composer } from "./composer.tsx";
import type { Draft } from "../model/draft.ts";
import { Restoring } from "./restoring.tsx";
import { fieldsOf, type Settings, SettingsPanel } from "./settings.tsx";
import { TurnView } from "./turn-view.tsx";

export function ChatView({ chat, account, draft }: { chat: Chat; account: Account; draft: Draft }) {
  const { conversation } = chat;
  useChanges(conversation);
  const [settings, show] = useState(draft.settings);
  const setSettings = (settings: Settings): void => show((draft.settings = settings));
  const field = useRef<HTMLTextAreaElement>(null);
  const end = useRef<HTMLDivElement>(null);
  const path = conversation.path();
  const { running } = chat;
  useFollow(end, running?.text.length ?? path.length);
  const fields = fieldsOf(settings);
  const toField = (): void => field.current?.focus();
  return (
    <div class="chat">
      <section class="thread" aria-label="Conversation">
        <h1 class="visually-hidden">Chat</h1>
        {path.length === 0 && chat.restoring === null && <Welcome />}
        <ol class="turns">
          {path.map((turn, depth) => (
            // By its place: whoever walks from branch to branch with the keyboard stays on the button.
            <TurnView key={depth} chat={chat} turn={turn} account={account} fields={fields} toField={toField} />
          ))}
        </ol>
        <Restoring chat={chat} toField={toField} />
        <p class="visually-hidden" role="status">
          {running === undefined ? spoken(path.at(-1)) : "An answer is being written."}
        </p>
        <div ref={end} class="end" />
        <Composer chat={chat} fields={fields} field={field} draft={draft} />
      </section>
      <aside class="side">
        <SettingsPanel account={account} settings={settings} change={setSettings} />
        {conversation.roots.length > 0 && <BranchTree chat={chat} />}
      </aside>
    </div>
  );
}

function Welcome() {
  return (
    <div class="welcome">
      <h2>Ask something</h2>
      <p>
        Every answer shows what it cost, where it came from and the code that asks the same. Edit a question to branch,
        retry for a fresh answer.
      </p>
    </div>
  );
}

/** What a screen reader is told once an answer is there: word by word nobody could follow it. */
function spoken(turn: { state: string; text: string; refusal: string } | undefined): string {
  if (turn === undefined || turn.state === "failed" || turn.state === "broken") return "";
  return turn.state === "stopped" ? "Stopped." : `Answer: ${turn.text || turn.refusal}`;
}

/** Keeps the end in view while it grows, unless its reader has scrolled away. */
function useFollow(end: { current: HTMLDivElement | null }, length: number): void {
  const following = useRef(true);
  useEffect(() => {
    const look = (): void => {
      following.current = window.innerHeight + window.scrollY >= document.documentElement.scrollHeight - 80;
    };
    addEventListener("scroll", look, { passive: true });
    return () => removeEventListener("scroll", look);
  }, []);
  useEffect(() => {
    if (following.current) end.current?.scrollIntoView({ block: "end" });
  }, [length]);
}
