// A question being changed: sending it asks in a branch beside the one that stands there.
import { useLayoutEffect, useRef, useState } from "preact/hooks";

interface EditorProps {
  text: string;
  /** Nothing can be asked just now: what was written stays. */
  held: boolean;
  send: (text: string) => void;
  close: () => void;
}

export function Editor({ text, held, send, close }: EditorProps) {
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
    if (!held && draft.trim() !== "") send(draft.trim());
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
        <button type="submit" class="primary" disabled={held}>
          Ask in a new branch
        </button>
      </div>
    </form>
  );
}
