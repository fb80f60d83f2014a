// A form that edits a question. Sending the edited question starts a branch beside the original.
import { useLayoutEffect, useRef, useState } from "preact/hooks";

interface EditorProps {
  text: string;
  /** Whether no question can be sent now. Submitting the form then does nothing and preserves its text. */
  isBusy: boolean;
  send: (text: string) => void;
  close: () => void;
}

export function Editor({ text, isBusy, send, close }: EditorProps) {
  const [draft, setDraft] = useState(text);
  const field = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => field.current?.focus(), []);
  const press = (event: KeyboardEvent): void => {
    if (event.key === "Escape") close();
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  };
  const submit = (): void => {
    if (!isBusy && draft.trim() !== "") send(draft.trim());
  };
  return (
    <form
      class="editor"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <textarea
        ref={field}
        aria-label="Change your question"
        rows={2}
        value={draft}
        onInput={({ currentTarget }) => setDraft(currentTarget.value)}
        onKeyDown={press}
      />
      <div class="tools">
        <button type="button" onClick={close}>
          Cancel
        </button>
        <button type="submit" class="primary" disabled={isBusy}>
          Ask in a new branch
        </button>
      </div>
    </form>
  );
}
