// The same question as a line of curl and as code, to take away.
import type { Account } from "../account.ts";
import { CopyButton } from "../copy-button.tsx";
import type { Input, Turn } from "./conversation.ts";
import { clientCode, curlLine } from "./snippets.ts";

export function CodePanel({ turn, input, account }: { turn: Turn; input: Input; account: Account }) {
  const asked = {
    origin: location.origin,
    signedIn: account.credential !== undefined,
    input,
    previous: turn.parent?.answer?.id ?? null,
    fields: turn.fields ?? {},
  };
  return (
    <div class="code-panel">
      <Snippet title="curl" text={curlLine(asked)} />
      <Snippet title="Typed client" text={clientCode(asked)} />
    </div>
  );
}

function Snippet({ title, text }: { title: string; text: string }) {
  return (
    <figure class="snippet">
      <figcaption>
        {title}
        <CopyButton text={text} what={title} />
      </figcaption>
      <pre>
        <code>{text}</code>
      </pre>
    </figure>
  );
}
