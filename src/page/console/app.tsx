// The frame of the page: who is signed in, which of the three views is shown, light or dark.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { type Account, ACCOUNT_NAMES, accountOf, isLocal } from "./account.ts";
import { Chat } from "./chat/chat.ts";
import { ChatView } from "./chat/chat-view.tsx";
import { JobsView } from "./jobs/jobs-view.tsx";
import { forget, keeper, kept } from "./kept.ts";
import { SignIn } from "./sign-in.tsx";
import { ThemeSwitch } from "./theme.tsx";
import { UsageView } from "./usage/usage-view.tsx";

const VIEWS = { chat: "Chat", usage: "Usage", jobs: "Jobs" } as const;
type View = keyof typeof VIEWS;

export function App() {
  const [account, setAccount] = useState(accountAtStart);
  const [asked, setAsked] = useState(false);
  const view = useView();
  const main = useRef<HTMLElement>(null);
  const signIn = (signedIn: Account): void => {
    const before = kept().account;
    if (before !== null && before !== signedIn.kind) forget();
    keeper()({ account: signedIn.kind });
    setAsked(false);
    setAccount(signedIn);
  };
  const signOut = (): void => {
    forget();
    setAccount(accountAtStart());
  };
  const open = account !== null && !asked;
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
          {open && <span class="badge plain account">{ACCOUNT_NAMES[account.kind]}</span>}
          {open && (
            <button type="button" onClick={account.kind === "local" ? () => setAsked(true) : signOut}>
              {account.kind === "local" ? "Use a key" : "Sign out"}
            </button>
          )}
          <ThemeSwitch />
        </div>
      </header>
      <main ref={main} tabIndex={-1}>
        {open ? (
          <Views account={account} view={view} />
        ) : (
          <SignIn signIn={signIn} cancel={isLocal() ? () => signIn(account ?? accountOf(undefined)) : undefined} />
        )}
      </main>
    </>
  );
}

/** Under ENVIRONMENT=local nobody needs to sign in; but a reload must not take one account's ids to another. */
function accountAtStart(): Account | null {
  const before = kept().account;
  return isLocal() && (before === null || before === "local") ? accountOf(undefined) : null;
}

function Views({ account, view }: { account: Account; view: View }) {
  // The chat lives on while another view is shown: its answer goes on being written.
  const chat = useMemo(() => new Chat(account), [account]);
  useEffect(() => {
    void chat.restore();
    return () => chat.close();
  }, [chat]);
  if (view === "usage") return <UsageView account={account} />;
  if (view === "jobs") return <JobsView account={account} />;
  return <ChatView chat={chat} account={account} />;
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
