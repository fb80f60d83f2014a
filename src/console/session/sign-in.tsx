// The sign-in form. The credential is tried once, then held in memory. The browser itself never submits the form.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { type Account, accountOf } from "../lib/account.ts";
import { call, type Failure, failureOf } from "../lib/call.ts";
import { FailureBox } from "../ui/failure.tsx";
import { Field } from "../ui/field.tsx";
import { allRuns } from "./runs.ts";
import type { StoredSession } from "./session-store.ts";

interface SignInProps {
  signIn: (account: Account) => Promise<void>;
  cancel: (() => void) | undefined;
  /** The session from before the reload. */
  stored: StoredSession;
}

export function SignIn({ signIn, cancel, stored }: SignInProps) {
  const [credential, setCredential] = useState("");
  const [failure, setFailure] = useState<Failure | null>(null);
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => field.current?.focus(), []);
  const wasSignedIn = stored.account !== null && stored.account !== "local";
  const hasLocalSession = !wasSignedIn && [...stored.leaves, ...stored.jobs, ...allRuns(stored)].length > 0;
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const account = accountOf(credential.trim());
    setBusy(true);
    setFailure(null);
    try {
      await call(account, "/v1/models");
      await signIn(account);
    } catch (error) {
      setFailure(failureOf(error));
      setBusy(false);
      field.current?.focus();
    }
  };
  return (
    <form class="sign-in panel" onSubmit={(event) => void submit(event)}>
      <h1>Sign in</h1>
      <p>With a server key (sk_…), a publishable key or a session token of this Worker; not with your UniAPI key.</p>
      <Field label="Key or token">
        {(id) => (
          <input
            id={id}
            ref={field}
            type="password"
            autocomplete="off"
            spellcheck={false}
            required
            value={credential}
            onInput={({ currentTarget }) => setCredential(currentTarget.value)}
          />
        )}
      </Field>
      {failure !== null && <FailureBox failure={failure} />}
      <div class="tools">
        {cancel !== undefined && (
          <button type="button" onClick={cancel}>
            {wasSignedIn ? "Continue without a key" : "Cancel"}
          </button>
        )}
        <button type="submit" class="primary" disabled={busy || credential.trim() === ""}>
          Sign in
        </button>
      </div>
      {hasLocalSession && (
        <p class="fine">
          Signing in removes what this page has stored without a key: the conversation, pending answers, and the list of
          jobs. The Worker still has them under their ids.
        </p>
      )}
      {wasSignedIn && (
        <p class="fine">
          This page has stored the conversation of the account that was signed in before the reload. Signing in as that
          account restores it. Signing in as another one removes it
          {cancel !== undefined && ", and so does continuing without a key"}.
        </p>
      )}
      <p class="fine">The key stays in the memory of this page only, until a reload.</p>
    </form>
  );
}
