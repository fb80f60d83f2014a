// Shows the question as a curl command and as code for the typed client, with buttons to copy them.
import type { Account } from "../../lib/account.ts";
import { CopyButton } from "../../ui/copy-button.tsx";
import type { Turn } from "../model/conversation.ts";
import { clientCode, curlLine } from "../model/snippets.ts";

export function CodePanel({ turn, account }: { turn: Turn; account: Account }) {
  const { input, fields } = turn;
  if (input === undefined) return <p class="fine">There is no code: a reload lost the question.</p>;
  const question = {
    origin: location.origin,
    signedIn: account.credential !== undefined,
    input,
    previousId: turn.previousId,
    fields: fields ?? {},
  };
  return (
    <div class="code-panel">
      {fields === undefined && (
        <p class="fine">
          This turn was read after a reload, so its preset, model, schema, tools and other fields are no longer known.
          The code sends the question without them.
        </p>
      )}
      <Snippet title="curl" text={curlLine(question)} />
      <Snippet title="Typed client" text={clientCode(question)} />
    </div>
  );
}

function Snippet({ title, text }: { title: string; text: string }) {
  return (
    <figure class="snippet">
      <figcaption>
        {title}
        <CopyButton text={text} name={title} />
      </figcaption>
      <pre>
        <code>{text}</code>
      </pre>
    </figure>
  );
}
