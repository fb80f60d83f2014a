// The chat view: the branch on display, the composer, and beside them the settings and all branches.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Account } from "../../lib/account.ts";
import { useChanges } from "../../lib/use-changes.ts";
import { BranchTree } from "./branch-tree.tsx";
import type { Chat } from "../model/chat.ts";
import { Composer } from "./composer.tsx";
import type { Draft } from "../model/draft.ts";
import { fieldsOf, type Settings } from "../model/settings.ts";
import { Restoring } from "./restoring.tsx";
import { SettingsPanel } from "./settings-panel.tsx";
import { TurnView } from "./turn-view.tsx";

export function ChatView({ chat, account, draft }: { chat: Chat; account: Account; draft: Draft }) {
  const { conversation } = chat;
  useChanges(conversation);
  const [settings, showSettings] = useState(draft.settings);
  const setSettings = (settings: Settings): void => showSettings((draft.settings = settings));
  const field = useRef<HTMLTextAreaElement>(null);
  const end = useRef<HTMLDivElement>(null);
  const path = conversation.path();
  const { running } = chat;
  useAutoScroll(end, running?.text.length ?? path.length);
  const fields = fieldsOf(settings);
  const focusComposer = (): void => field.current?.focus();
  return (
    <div class="chat">
      <section class="thread" aria-label="Conversation">
        <h1 class="visually-hidden">Chat</h1>
        {path.length === 0 && !chat.isRestoring && <Welcome />}
        <ol class="turns">
          {path.map((turn, depth) => (
            // Keyed by depth, so that the focus stays on the button while the keyboard switches branches.
            <TurnView
              key={depth}
              chat={chat}
              turn={turn}
              account={account}
              fields={fields}
              focusComposer={focusComposer}
            />
          ))}
        </ol>
        <Restoring chat={chat} focusComposer={focusComposer} />
        <p class="visually-hidden" role="status">
          {running === undefined ? announcementOf(path.at(-1)) : "An answer is being written."}
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
        Every answer shows its cost, its origin and the code for the same question. Edit a question to start a branch,
        or retry for a new answer.
      </p>
    </div>
  );
}

/** Returns the announcement for screen readers, which read an answer only once it is complete. */
function announcementOf(turn: { state: string; text: string; refusal: string } | undefined): string {
  if (turn === undefined || turn.state === "failed" || turn.state === "broken") return "";
  return turn.state === "stopped" ? "Stopped." : `Answer: ${turn.text || turn.refusal}`;
}

/** Scrolls with the growing answer, unless the reader has scrolled away. */
function useAutoScroll(end: { current: HTMLDivElement | null }, length: number): void {
  const atEnd = useRef(true);
  useEffect(() => {
    const update = (): void => {
      atEnd.current = window.innerHeight + window.scrollY >= document.documentElement.scrollHeight - 80;
    };
    addEventListener("scroll", update, { passive: true });
    return () => removeEventListener("scroll", update);
  }, []);
  useEffect(() => {
    if (atEnd.current) end.current?.scrollIntoView({ block: "end" });
  }, [length]);
}
