// A button that copies a string to the clipboard and reports the outcome.
import { useState } from "preact/hooks";
import { Icon } from "./icon.tsx";

export function CopyButton({ text, name }: { text: string; name: string }) {
  const [status, setStatus] = useState("");
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setStatus("Copied");
    } catch {
      setStatus("Not allowed");
    }
  };
  return (
    <>
      <span class="fine" role="status">
        {status}
      </span>
      <button
        type="button"
        class="icon-button"
        onClick={() => void copy()}
        onBlur={() => setStatus("")}
        aria-label={`Copy: ${name}`}
      >
        <Icon name="copy" />
      </button>
    </>
  );
}
