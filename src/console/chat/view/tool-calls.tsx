// Shows the function calls that the model requests. The console can't run the functions, so the user enters their output to continue.
import { useState } from "preact/hooks";
import { isServer } from "../../lib/account.ts";
import { Field } from "../../ui/field.tsx";
import type { TurnProps } from "./turn-view.tsx";

export function ToolCalls({ chat, turn, account, fields, focusComposer }: TurnProps) {
  const [outputs, setOutputs] = useState<Record<string, string>>({});
  if (turn.toolCalls.length === 0) return null;
  const open =
    isServer(account) && turn.answer !== undefined && !turn.children.some(({ answer }) => answer !== undefined);
  const turnFields = turn.fields ?? fields;
  const send = (event: Event): void => {
    event.preventDefault();
    if (turnFields === null || chat.isBusy) return;
    const input = turn.toolCalls.map(({ call_id }) => ({
      type: "function_call_output",
      call_id,
      output: outputs[call_id] ?? "",
    }));
    void chat.ask(input, turnFields);
    focusComposer();
  };
  return (
    <form class="tool-calls" onSubmit={send}>
      {turn.toolCalls.map(({ call_id, name, arguments: json }) => (
        <div key={call_id} class="tool-call">
          <p>
            <span class="badge">function call</span> <code>{name}</code>
          </p>
          <pre class="data">{json}</pre>
          {open && (
            <Field label="Its output">
              {(id) => (
                <input
                  id={id}
                  value={outputs[call_id] ?? ""}
                  onInput={({ currentTarget }) => setOutputs({ ...outputs, [call_id]: currentTarget.value })}
                />
              )}
            </Field>
          )}
        </div>
      ))}
      {open && (
        <>
          <p class="fine">The conversation needs this output before the next question.</p>
          <button type="submit" disabled={chat.isBusy || turnFields === null}>
            Send output
          </button>
        </>
      )}
    </form>
  );
}
