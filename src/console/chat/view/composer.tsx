// The field for a question: Enter sends it, Shift+Enter inserts a line break, Escape stops the answer. While an answer arrives, a Stop button
// replaces the Send button. Text that is typed while no question can be sent is preserved.
import type { RefObject } from "preact";
import { useLayoutEffect, useState } from "preact/hooks";
import { Icon } from "../../ui/icon.tsx";
import type { Chat } from "../model/chat.ts";
import type { Fields } from "../model/conversation.ts";
import type { Draft } from "../model/draft.ts";

interface ComposerProps {
  chat: Chat;
  /** Null while the settings are invalid. */
  fields: Fields | null;
  field: RefObject<HTMLTextAreaElement | null>;
  draft: Draft;
}

export function Composer({ chat, fields, field, draft }: ComposerProps) {
  const [text, showText] = useState(draft.text);
  const setText = (text: string): void => showText((draft.text = text));
  const running = chat.running !== undefined;
  const ready = !chat.isBusy && text.trim() !== "" && fields !== null;
  useLayoutEffect(() => field.current?.focus(), []);
  const send = (): void => {
    if (!ready) return;
    void chat.ask(text.trim(), fields);
    setText("");
  };
  const stop = (): void => {
    chat.stop();
    field.current?.focus();
  };
  const press = (event: KeyboardEvent): void => {
    if (event.key === "Escape" && running) stop();
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  };
  return (
    <form
      class="composer"
      aria-busy={chat.state.name === "reading"}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <label class="visually-hidden" for="question">
        Your question
      </label>
      <textarea
        id="question"
        ref={field}
        rows={1}
        placeholder="Ask something"
        aria-describedby={chat.isRestoring ? "restoring" : undefined}
        value={text}
        onInput={({ currentTarget }) => setText(currentTarget.value)}
        onKeyDown={press}
      />
      {running ? (
        <button type="button" class="primary round" aria-label="Stop" title="Stop (Esc)" onClick={stop}>
          <Icon name="stop" />
        </button>
      ) : (
        <button type="submit" class="primary round" aria-label="Send" title="Send (Enter)" disabled={!ready}>
          <Icon name="send" />
        </button>
      )}
    </form>
  );
}
