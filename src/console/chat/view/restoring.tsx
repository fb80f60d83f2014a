// Notices about a restored session: why no question can be sent yet, and what is missing, unclaimed or gone.
import { mayReadById } from "../../lib/account.ts";
import { FailureBox } from "../../ui/failure.tsx";
import type { Chat } from "../model/chat.ts";

/** @param focusComposer focuses the composer, for buttons that disappear when they are pressed */
export function Restoring({ chat, focusComposer }: { chat: Chat; focusComposer: () => void }) {
  const { state, unread, unclaimed, discardedRun, gone, account } = chat;
  const button = (text: string, act: () => unknown) => (
    <button
      type="button"
      onClick={() => {
        void act();
        focusComposer();
      }}
    >
      {text}
    </button>
  );
  return (
    <div id="restoring" class="restoring" role="status">
      {state.name === "reading" && <p class="fine">Reading the conversation…</p>}
      {state.name === "unreadable" && (
        <>
          <p>
            The conversation can't be read right now. No question can be sent until it can be read, because the question
            would follow the wrong answer.
          </p>
          <FailureBox failure={state.failure} />
          <p class="fine">
            If you continue without it, a question starts a new conversation. This one stays stored, and the next reload
            tries again.
          </p>
          <div class="tools">
            {button("Try again", () => chat.restore())}
            {button("Continue without it", () => chat.continueWithout())}
          </div>
        </>
      )}
      {unread !== null && (
        <>
          <p>Some branches can't be read right now.</p>
          <FailureBox failure={unread} />
          {button("Read them again", () => chat.readMissing())}
        </>
      )}
      {unclaimed > 0 && (
        <>
          <p>
            {unclaimed === 1
              ? "This page has an unanswered question"
              : `This page has ${unclaimed} unanswered questions`}
            , from you or from somebody else who used this page. {unclaimed === 1 ? "It is" : "They are"} not shown,
            because this key or token does not show whose {unclaimed === 1 ? "it is" : "they are"}.
          </p>
          <div class="tools">
            {button("Show", () => chat.showUnclaimed())}
            {button("Discard", () => chat.discardUnclaimed())}
          </div>
        </>
      )}
      {discardedRun && (
        <p class="fine">
          An answer for another account was pending when this page was closed. It was removed from this page.
        </p>
      )}
      {gone && (
        <p class="fine">
          {mayReadById(account)
            ? "Part of this conversation can't be read any more: it has expired, was deleted, or was not stored."
            : "The conversation from before the reload can't be shown: a publishable key can't read anything by id."}
        </p>
      )}
    </div>
  );
}
