// Shows one turn: the question with its editor and branches, and the answer with its details.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { type Account, mayReadById } from "../../lib/account.ts";
import { FailureBox } from "../../ui/failure.tsx";
import { Icon } from "../../ui/icon.tsx";
import { AnswerFooter } from "./answer-footer.tsx";
import type { Chat } from "../model/chat.ts";
import { type Fields, inputText, type Turn } from "../model/conversation.ts";
import { Editor } from "./editor.tsx";
import { isPaidOnce } from "../model/abandoned.ts";
import { ToolCalls } from "./tool-calls.tsx";

export interface TurnProps {
  chat: Chat;
  turn: Turn;
  account: Account;
  /** The fields for a new question; null while the settings are invalid. */
  fields: Fields | null;
  /** Focuses the composer, for buttons that disappear when they are pressed. In the composer, Escape stops the answer. */
  focusComposer: () => void;
}

export function TurnView({ chat, turn, account, fields, focusComposer }: TurnProps) {
  const [edited, setEdited] = useState<Turn | null>(null);
  const editButton = useRef<HTMLButtonElement>(null);
  const cancelled = useRef(false);
  useLayoutEffect(() => {
    if (!cancelled.current) return;
    cancelled.current = false;
    editButton.current?.focus();
    // While an answer arrives, the button is disabled, so it can't have the focus.
    if (document.activeElement !== editButton.current) focusComposer();
  });
  // Closes the editor when another branch is on display.
  useEffect(() => setEdited(null), [turn]);
  const streaming = turn.state === "streaming";
  return (
    <li class="turn">
      {edited === turn ? (
        <Editor
          text={inputText(turn.input)}
          isBusy={chat.isBusy || fields === null}
          close={() => {
            cancelled.current = true;
            setEdited(null);
          }}
          send={(text) => {
            setEdited(null);
            void chat.branch(turn, text, fields ?? {});
            focusComposer();
          }}
        />
      ) : (
        <div class="question">
          <p class="question-text">
            {turn.input === undefined ? <em>{missingQuestionText(turn, account)}</em> : inputText(turn.input)}
          </p>
          <div class="tools">
            <BranchSwitch chat={chat} turn={turn} />
            <button
              ref={editButton}
              type="button"
              class="icon-button"
              disabled={chat.isBusy || turn.input === undefined || fields === null}
              onClick={() => setEdited(turn)}
            >
              <Icon name="edit" />
              <span>Edit</span>
            </button>
          </div>
        </div>
      )}
      {turn.previousId !== null && turn.parent === null && (
        <p class="fine">It follows an answer that can't be shown here.</p>
      )}
      <article key={turn.number} class="answer" aria-label="Answer" aria-busy={streaming}>
        {turn.reasoning !== "" && (
          <details class="reasoning">
            <summary>Reasoning</summary>
            <p>{turn.reasoning}</p>
          </details>
        )}
        <AnswerText turn={turn} />
        <ToolCalls chat={chat} turn={turn} account={account} fields={fields} focusComposer={focusComposer} />
        {turn.failure !== undefined && <FailureBox failure={turn.failure} />}
        {(turn.state === "stopped" || turn.state === "broken") && <p class="fine">{continueHint(turn)}</p>}
        {!streaming && (
          <AnswerFooter chat={chat} turn={turn} account={account} fields={fields} focusComposer={focusComposer} />
        )}
      </article>
    </li>
  );
}

function continueHint(turn: Turn): string {
  const stopped = turn.state === "stopped";
  if (turn.failure?.code === "invalid_credentials")
    return "The answer is recorded. Reload this page, sign in again as the same account, then press Continue.";
  const hint =
    turn.lastEventId !== ""
      ? `${stopped ? "Stopped here. The" : "The"} Worker stores the rest for a day: Continue shows it.`
      : `${stopped ? "Stopped before an answer came. " : ""}${
          isPaidOnce(turn)
            ? "Continue sends the question again with the same key. Within a day, you pay for it only once."
            : "Continue sends the question again, and you may pay again: the Worker stores a key for a day, and per account."
        }`;
  return `${hint} A new question follows the answer before this one.`;
}

/** Explains why the question is missing: after a reload it must be read by the id of its answer. */
function missingQuestionText({ state }: Turn, account: Account): string {
  if (!mayReadById(account)) return "The reload lost your question: a publishable key can't read anything by id.";
  if (state === "done") return "Your question can't be read right now: the next reload shows it.";
  return "Your question is shown once the answer is complete.";
}

function AnswerText({ turn: { answer, text, refusal, state } }: { turn: Turn }) {
  if (answer?.data !== undefined) return <pre class="data">{JSON.stringify(answer.data, null, 2)}</pre>;
  return (
    <>
      {(text !== "" || state === "streaming") && (
        <p class={state === "streaming" ? "answer-text streaming" : "answer-text"}>{text}</p>
      )}
      {refusal !== "" && (
        <p class="answer-text">
          <span class="badge warn">refused</span> {refusal}
        </p>
      )}
    </>
  );
}

/** Buttons to switch between the branches of a question. */
function BranchSwitch({ chat, turn }: Pick<TurnProps, "chat" | "turn">) {
  const siblings = chat.conversation.siblings(turn);
  const index = siblings.indexOf(turn);
  if (siblings.length < 2) return null;
  const step = (by: 1 | -1, label: string) => (
    // `aria-disabled` at the first and last branch, because `disabled` would remove the keyboard focus.
    <button
      type="button"
      class="icon-button"
      aria-label={label}
      aria-disabled={siblings[index + by] === undefined}
      onClick={() => chat.show(siblings[index + by] ?? turn)}
    >
      <Icon name={by === 1 ? "next" : "previous"} />
    </button>
  );
  return (
    <div class="walk" role="group" aria-label="Branches of this question">
      {step(-1, "Previous branch")}
      <span>
        {index + 1}
        <span class="visually-hidden"> of </span>
        <span aria-hidden="true">/</span>
        {siblings.length}
      </span>
      {step(1, "Next branch")}
    </div>
  );
}
