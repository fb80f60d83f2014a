// What a question is asked with: preset, model, schema, tools, and any other field of POST /ask as JSON.
import { useEffect, useState } from "preact/hooks";
import { type Account, isServer } from "../../lib/account.ts";
import { call, type Failure, failureOf } from "../../lib/call.ts";
import { FailureBox } from "../../ui/failure.tsx";
import { Field } from "../../ui/field.tsx";
import type { Fields } from "../model/conversation.ts";
import { isWide } from "./is-wide.ts";
import { SCHEMAS, TOOLS } from "./samples.ts";

export interface Settings {
  preset: string;
  model: string;
  /** Name of a sample, "custom", or "". */
  schema: string;
  customSchema: string;
  tools: string;
  more: string;
}

export const NO_SETTINGS: Settings = { preset: "", model: "", schema: "", customSchema: "", tools: "", more: "" };

interface Listed {
  id: string;
  owned_by?: string | null;
}

/** Null while something in them is no JSON object. */
export function fieldsOf({ preset, model, schema, customSchema, tools, more }: Settings): Fields | null {
  const own = schema === "custom" ? objectOf(customSchema) : SCHEMAS[schema];
  const rest = more.trim() === "" ? {} : objectOf(more);
  if (own === null || rest === null) return null;
  const chosen = TOOLS[tools];
  return {
    ...(preset === "" ? {} : { preset }),
    ...(model === "" ? {} : { model }),
    ...(own === undefined ? {} : { schema: own }),
    ...(chosen === undefined ? {} : { tools: chosen }),
    ...rest,
  };
}

function objectOf(text: string): Fields | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : null;
  } catch {
    return null;
  }
}

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
  const [listed, setListed] = useState<readonly Listed[]>([]);
  const [failure, setFailure] = useState<Failure | null>(null);
  useEffect(() => {
    call(account, "/v1/models").then(
      (list) => setListed((list as { data: Listed[] }).data),
      (error) => setFailure(failureOf(error)),
    );
  }, [account]);
  const presets = listed.filter(({ owned_by }) => owned_by === "preset");
  const models = listed.filter(({ owned_by }) => owned_by !== "preset");
  const set = (name: keyof Settings) => (value: string) => change({ ...settings, [name]: value });
  return (
    <details class="panel" open={open} onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        <h2>Ask with</h2>
      </summary>
      {failure !== null && <FailureBox failure={failure} />}
      <Pick
        label="Preset"
        value={settings.preset}
        set={set("preset")}
        none={isServer(account) ? "None" : "The only one granted"}
        options={presets.map(({ id }) => id)}
      />
      {isServer(account) && (
        <>
          <Pick
            label="Model"
            value={settings.model}
            set={set("model")}
            none="Default"
            options={models.map(({ id }) => id)}
          />
          <Pick
            label="Schema"
            value={settings.schema}
            set={set("schema")}
            none="None: plain text"
            options={[...Object.keys(SCHEMAS), "custom"]}
          />
          {settings.schema === "custom" && (
            <Json
              label="JSON Schema"
              value={settings.customSchema}
              set={set("customSchema")}
              wrong={objectOf(settings.customSchema) === null}
            />
          )}
          <Pick label="Tools" value={settings.tools} set={set("tools")} none="None" options={Object.keys(TOOLS)} />
        </>
      )}
      <details>
        <summary>More fields</summary>
        <Json
          label="Fields of POST /ask, as JSON"
          value={settings.more}
          set={set("more")}
          wrong={settings.more.trim() !== "" && objectOf(settings.more) === null}
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

function Pick({ label, value, set, none, options }: FieldProps & { none: string; options: readonly string[] }) {
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

function Json({ label, value, set, wrong }: FieldProps & { wrong: boolean }) {
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
            aria-invalid={wrong}
            value={value}
            onInput={({ currentTarget }) => set(currentTarget.value)}
          />
          {wrong && <span class="fine wrong">This is no JSON object yet.</span>}
        </>
      )}
    </Field>
  );
}
