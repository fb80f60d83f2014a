// Puts a text on the clipboard, and says that it did.
import { useState } from "preact/hooks";
import { Icon } from "./icon.tsx";

export function CopyButton({ text, what }: { text: string; what: string }) {
  const [said, setSaid] = useState("");
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid("Copied");
    } catch {
      setSaid("Not allowed");
    }
  };
  return (
    <>
      <span class="fine" role="status">
        {said}
      </span>
      <button
        type="button"
        class="icon-button"
        onClick={() => void copy()}
        onBlur={() => setSaid("")}
        aria-label={`Copy: ${what}`}
      >
        <Icon name="copy" />
      </button>
    </>
  );
}
