// Notices about a restored session: why no question can be sent yet, and what is missing, unclaimed or gone.
import { mayReadById } from "../../lib/account.ts";
import { FailureBox } from "../../ui/failure.tsx";
import type { Chat } from "../model/chat.ts";

/** @param toField focuses the composer, for buttons that disappear when they are pressed */
export function Restoring({ chat, toField }: { chat: Chat; toField: () => void }) {
  const { state, unread, unclaimed, discardedRun, gone, account } = chat;
  const button = (text: string, act: () => unknown) => (
    <button
      type="button"
      onClick={() => {
        void act();
        toField();
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
            The conversation can't be read just now. Nothing is asked until it is: the question would follow the wrong
            answer.
          </p>
          <FailureBox failure={state.failure} />
          <p class="fine">
            Without it a question begins a new conversation. This one is not given up: the next reload looks for it
            again.
          </p>
          <div class="tools">
            {button("Try again", () => chat.restore())}
            {button("Go on without it", () => chat.continueWithout())}
          </div>
        </>
      )}
      {unread !== null && (
        <>
          <p>Branches are missing that can't be read just now.</p>
          <FailureBox failure={unread} />
          {button("Read them again", () => chat.readMissing())}
        </>
      )}
      {unclaimed > 0 && (
        <>
          <p>
            {unclaimed === 1
              ? "A question was left here unanswered"
              : `${unclaimed} questions were left here unanswered`}
            , by you or by somebody else who used this page. {unclaimed === 1 ? "It is" : "They are"} not shown, since
            this key or token does not tell.
          </p>
          <div class="tools">
            {button("Show", () => chat.showUnclaimed())}
            {button("Discard", () => chat.discardUnclaimed())}
          </div>
        </>
      )}
      {discardedRun && (
        <p class="fine">An answer was on its way for another account when this page was left. It was forgotten.</p>
      )}
      {gone && (
        <p class="fine">
          {mayReadById(account)
            ? "Something of what was asked here can't be read any more: it has expired, or was deleted or not kept."
            : "What was asked here before the reload can't be shown: with a publishable key nothing can be read again."}
        </p>
      )}
    </div>
  );
}
