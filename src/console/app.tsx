// The frame of the page: who is signed in, which of the three views is shown, light or dark.
import { useEffect, useRef, useState } from "preact/hooks";
import { type Account, ACCOUNT_NAMES, accountOf, isLocal } from "./lib/account.ts";
import { Chat } from "./chat/model/chat.ts";
import { ChatView } from "./chat/view/chat-view.tsx";
import { newDraft } from "./chat/model/draft.ts";
import { JobsView } from "./jobs/jobs-view.tsx";
import { clearSession, storedSession } from "./session/session-store.ts";
import { SignIn } from "./session/sign-in.tsx";
import { ThemeSwitch } from "./ui/theme.tsx";
import { UsageView } from "./usage/usage-view.tsx";

const VIEWS = { chat: "Chat", usage: "Usage", jobs: "Jobs" } as const;
type View = keyof typeof VIEWS;

export function App() {
  const [chat, setChat] = useState(chatAtStart);
  const [asked, setAsked] = useState(false);
  const view = useView();
  const main = useRef<HTMLElement>(null);
  const signIn = async (account: Account): Promise<void> => {
    const signedIn = new Chat(account);
    // What is another's is gone before anything is shown.
    await signedIn.claimed;
    setAsked(false);
    setChat(signedIn);
  };
  const signOut = (): void => {
    clearSession();
    setChat(chatAtStart());
  };
  const open = chat !== null && !asked;
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
            <button type="button" onClick={chat.account.kind === "local" ? () => setAsked(true) : signOut}>
              {chat.account.kind === "local" ? "Use a key" : "Sign out"}
            </button>
          )}
          <ThemeSwitch />
        </div>
      </header>
      <main ref={main} tabIndex={-1}>
        {open ? (
          // Nothing that one account has typed or started is left standing for the next.
          <Views key={chat.number} chat={chat} view={view} />
        ) : (
          <SignIn
            signIn={signIn}
            cancel={isLocal() ? () => signIn(accountOf(undefined)) : undefined}
            kept={storedSession()}
          />
        )}
      </main>
    </>
  );
}

/** Under ENVIRONMENT=local nobody needs to sign in; but a reload must not take one account's ids to another. */
function chatAtStart(): Chat | null {
  const before = storedSession().account;
  return isLocal() && (before === null || before === "local") ? new Chat(accountOf(undefined)) : null;
}

function Views({ chat, view }: { chat: Chat; view: View }) {
  const { account } = chat;
  // Both live on while another view is shown: an answer goes on being written, and what was typed stays.
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
