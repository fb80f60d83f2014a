// The panel of settings: preset, model, schema, tools, and any other field of POST /ask as JSON.
import { useEffect, useState } from "preact/hooks";
import type { ModelList } from "../../../contract/models.ts";
import { type Account, isServer } from "../../lib/account.ts";
import { call, type Failure, failureOf } from "../../lib/call.ts";
import { FailureBox } from "../../ui/failure.tsx";
import { Field } from "../../ui/field.tsx";
import { SCHEMAS, TOOLS } from "../model/samples.ts";
import { parseObject, type Settings } from "../model/settings.ts";
import { isWide } from "./is-wide.ts";

export function SettingsPanel({
  account,
  settings,
  change,
}: {
  account: Account;
  settings: Settings;
  change: (settings: Settings) => void;
}) {
  const [open, setOpen] = useState(isWide);
  const [available, setAvailable] = useState<ModelList["data"]>([]);
  const [failure, setFailure] = useState<Failure | null>(null);
  useEffect(() => {
    call(account, "/v1/models").then(
      (list) => setAvailable((list as ModelList).data),
      (error) => setFailure(failureOf(error)),
    );
  }, [account]);
  const presetIds = available.filter(({ owned_by }) => owned_by === "preset").map(({ id }) => id);
  const modelIds = available.filter(({ owned_by }) => owned_by !== "preset").map(({ id }) => id);
  const set = (name: keyof Settings) => (value: string) => change({ ...settings, [name]: value });
  return (
    <details class="panel" open={open} onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        <h2>Ask with</h2>
      </summary>
      {failure !== null && <FailureBox failure={failure} />}
      <Choice
        label="Preset"
        value={settings.preset}
        set={set("preset")}
        none={isServer(account) ? "None" : "The only one granted"}
        options={presetIds}
      />
      {isServer(account) && (
        <>
          <Choice label="Model" value={settings.model} set={set("model")} none="Default" options={modelIds} />
          <Choice
            label="Schema"
            value={settings.schema}
            set={set("schema")}
            none="None: plain text"
            options={[...Object.keys(SCHEMAS), "custom"]}
          />
          {settings.schema === "custom" && (
            <JsonField
              label="JSON Schema"
              value={settings.customSchema}
              set={set("customSchema")}
              isInvalid={parseObject(settings.customSchema) === null}
            />
          )}
          <Choice label="Tools" value={settings.tools} set={set("tools")} none="None" options={Object.keys(TOOLS)} />
        </>
      )}
      <details>
        <summary>More fields</summary>
        <JsonField
          label="Fields of POST /ask, as JSON"
          value={settings.more}
          set={set("more")}
          isInvalid={settings.more.trim() !== "" && parseObject(settings.more) === null}
        />
      </details>
    </details>
  );
}

interface FieldProps {
  label: string;
  value: string;
  set: (value: string) => void;
}

function Choice({ label, value, set, none, options }: FieldProps & { none: string; options: readonly string[] }) {
  return (
    <Field label={label}>
      {(id) => (
        <select id={id} value={value} onChange={({ currentTarget }) => set(currentTarget.value)}>
          <option value="">{none}</option>
          {options.map((option) => (
            <option key={option} value={option}>
              {option}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

function JsonField({ label, value, set, isInvalid }: FieldProps & { isInvalid: boolean }) {
  return (
    <Field label={label}>
      {(id) => (
        <>
          <textarea
            id={id}
            class="json"
            rows={5}
            spellcheck={false}
            placeholder="{}"
            aria-invalid={isInvalid}
            value={value}
            onInput={({ currentTarget }) => set(currentTarget.value)}
          />
          {isInvalid && <span class="fine wrong">This is not a JSON object yet.</span>}
        </>
      )}
    </Field>
  );
}
