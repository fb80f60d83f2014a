// The frame of the page: the account, the three views and the theme.
import { useEffect, useRef, useState } from "preact/hooks";
import { type Account, ACCOUNT_NAMES, accountOf, isLocal } from "./lib/account.ts";
import { Chat } from "./chat/model/chat.ts";
import { ChatView } from "./chat/view/chat-view.tsx";
import { newDraft } from "./chat/model/draft.ts";
import { JobsView } from "./jobs/jobs-view.tsx";
import { clearSession, readSession } from "./session/session-store.ts";
import { SignIn } from "./session/sign-in.tsx";
import { ThemeSwitch } from "./ui/theme.tsx";
import { UsageView } from "./usage/usage-view.tsx";

const VIEWS = { chat: "Chat", usage: "Usage", jobs: "Jobs" } as const;
type View = keyof typeof VIEWS;

export function App() {
  const [chat, setChat] = useState(initialChat);
  const [showsSignIn, setShowsSignIn] = useState(false);
  const view = useView();
  const main = useRef<HTMLElement>(null);
  const signIn = async (account: Account): Promise<void> => {
    const signedIn = new Chat(account);
    // Another account's session is cleared before anything is shown.
    await signedIn.ownershipClaimed;
    setShowsSignIn(false);
    setChat(signedIn);
  };
  const signOut = (): void => {
    clearSession();
    setChat(initialChat());
  };
  const open = chat !== null && !showsSignIn;
  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        Skip to content
      </button>
      <header class="top">
        <span class="brand">
          <img src="/console/icon.svg" alt="" width="24" height="24" />
          uniapi-edge
        </span>
        {open && (
          <nav class="views" aria-label="Views">
            {(Object.keys(VIEWS) as View[]).map((name) => (
              <a key={name} href={`#${name}`} aria-current={name === view ? "page" : undefined}>
                {VIEWS[name]}
              </a>
            ))}
            <a href="/docs">API</a>
          </nav>
        )}
        <div class="who">
          {open && <span class="badge plain account">{ACCOUNT_NAMES[chat.account.kind]}</span>}
          {open && (
            <button type="button" onClick={chat.account.kind === "local" ? () => setShowsSignIn(true) : signOut}>
              {chat.account.kind === "local" ? "Use a key" : "Sign out"}
            </button>
          )}
          <ThemeSwitch />
        </div>
      </header>
      <main ref={main} tabIndex={-1}>
        {open ? (
          // A new `key` unmounts the views, so that nothing typed or started by one account remains for the next.
          <Views key={chat.number} chat={chat} view={view} />
        ) : (
          <SignIn
            signIn={signIn}
            cancel={isLocal() ? () => signIn(accountOf(undefined)) : undefined}
            stored={readSession()}
          />
        )}
      </main>
    </>
  );
}

/**
 * Returns the chat to start with; null if the user must sign in. Under ENVIRONMENT=local that is necessary only if the stored session
 * belongs to an account, because its ids must not reach another account.
 */
function initialChat(): Chat | null {
  const { account } = readSession();
  return isLocal() && (account === null || account === "local") ? new Chat(accountOf(undefined)) : null;
}

function Views({ chat, view }: { chat: Chat; view: View }) {
  const { account } = chat;
  // The chat and the draft outlive a change of view, so the answer continues to arrive, and the typed text is preserved.
  const [draft] = useState(newDraft);
  useEffect(() => {
    void chat.restore();
    return () => chat.close();
  }, [chat]);
  if (view === "usage") return <UsageView account={account} />;
  if (view === "jobs") return <JobsView account={account} />;
  return <ChatView chat={chat} account={account} draft={draft} />;
}

function useView(): View {
  const read = (): View => (Object.keys(VIEWS) as View[]).find((name) => location.hash === `#${name}`) ?? "chat";
  const [view, setView] = useState(read);
  useEffect(() => {
    const change = (): void => setView(read());
    addEventListener("hashchange", change);
    return () => removeEventListener("hashchange", change);
  }, []);
  useEffect(() => {
    document.title = `${VIEWS[view]} · uniapi-edge`;
  }, [view]);
  return view;
}
