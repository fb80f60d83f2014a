// The chat: the branch that is shown, the field to ask in, and beside them what is asked with and all branches.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Account } from "../account.ts";
import { FailureBox } from "../failure.tsx";
import { useChanges } from "../use-changes.ts";
import { BranchTree } from "./branch-tree.tsx";
import type { Chat } from "./chat.ts";
import { Composer } from "./composer.tsx";
import { fieldsOf, NO_SETTINGS, SettingsPanel } from "./settings.tsx";
import { TurnView } from "./turn-view.tsx";

export function ChatView({ chat, account }: { chat: Chat; account: Account }) {
  const { conversation } = chat;
  useChanges(conversation);
  const [settings, setSettings] = useState(NO_SETTINGS);
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
        <Composer chat={chat} fields={fields} field={field} />
      </section>
      <aside class="side">
        <SettingsPanel account={account} settings={settings} change={setSettings} />
        {conversation.roots.length > 0 && <BranchTree chat={chat} />}
      </aside>
    </div>
  );
}

/** Why nothing can be asked yet, or what of a conversation could not be brought back. */
function Restoring({ chat, toField }: { chat: Chat; toField: () => void }) {
  const { restoring, lost } = chat;
  return (
    <div id="restoring" class="restoring" role="status">
      {restoring === "reading" && <p class="fine">Reading the conversation…</p>}
      {restoring !== null && restoring !== "reading" && (
        <>
          <p>The conversation can't be read just now. Nothing is asked until it is: the question would follow the wrong answer.</p>
          <FailureBox failure={restoring} />
          <button
            type="button"
            onClick={() => {
              void chat.restore();
              toField();
            }}
          >
            Try again
          </button>
        </>
      )}
      {lost && (
        <p class="fine">An answer was being written when this page was left. It is not shown, since what it follows can't be read here.</p>
      )}
    </div>
  );
}

function Welcome() {
  return (
    <div class="welcome">
      <h2>Ask something</h2>
      <p>
        Every answer shows what it cost, where it came from and the code that asks the same. Edit a question to branch, retry for a fresh
        answer.
      </p>
    </div>
  );
}

/** What a screen reader is told once an answer is there: word by word nobody could follow it. */
function spoken(turn: { state: string; text: string; refusal: string } | undefined): string {
  if (turn === undefined || turn.state === "failed") return "";
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
