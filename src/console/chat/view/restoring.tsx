// What a reload could not bring back: why nothing can be asked yet, what is missing, what was left by somebody, what is gone.
import { mayReadById } from "../../lib/account.ts";
import { FailureBox } from "../../ui/failure.tsx";
import type { Chat } from "../model/chat.ts";

/** @param toField focuses the field, for what takes its own button away */
export function Restoring({ chat, toField }: { chat: Chat; toField: () => void }) {
  const { restoring, unread, left, lost, gone, account } = chat;
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
      {restoring === "reading" && <p class="fine">Reading the conversation…</p>}
      {restoring !== null && restoring !== "reading" && (
        <>
          <p>
            The conversation can't be read just now. Nothing is asked until it is: the question would follow the wrong
            answer.
          </p>
          <FailureBox failure={restoring} />
          <p class="fine">
            Without it a question begins a new conversation. This one is not given up: the next reload looks for it
            again.
          </p>
          <div class="tools">
            {button("Try again", () => chat.restore())}
            {button("Go on without it", () => chat.goOnWithout())}
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
      {left > 0 && (
        <>
          <p>
            {left === 1 ? "A question was left here unanswered" : `${left} questions were left here unanswered`}, by you
            or by somebody else who used this page. {left === 1 ? "It is" : "They are"} not shown, since this key or
            token does not tell.
          </p>
          <div class="tools">
            {button("Show", () => chat.showLeft())}
            {button("Discard", () => chat.discardLeft())}
          </div>
        </>
      )}
      {lost && (
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
