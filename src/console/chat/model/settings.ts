// The settings of a question, as the user enters them, and the fields of POST /ask that they become.
import type { Fields } from "./conversation.ts";
import { SCHEMAS, TOOLS } from "./samples.ts";

export interface Settings {
  preset: string;
  model: string;
  /** Name of a sample, "custom", or "". */
  schema: string;
  /** JSON. */
  customSchema: string;
  /** Name of a sample, or "". */
  tools: string;
  /** Further fields, as JSON. */
  more: string;
}

export const NO_SETTINGS: Settings = { preset: "", model: "", schema: "", customSchema: "", tools: "", more: "" };

/** @returns null if the custom schema or the further fields are not a JSON object */
export function fieldsOf({ preset, model, schema, customSchema, tools, more }: Settings): Fields | null {
  const jsonSchema = schema === "custom" ? parseObject(customSchema) : SCHEMAS[schema];
  const furtherFields = more.trim() === "" ? {} : parseObject(more);
  if (jsonSchema === null || furtherFields === null) return null;
  const sampleTools = TOOLS[tools];
  return {
    ...(preset === "" ? {} : { preset }),
    ...(model === "" ? {} : { model }),
    ...(jsonSchema === undefined ? {} : { schema: jsonSchema }),
    ...(sampleTools === undefined ? {} : { tools: sampleTools }),
    ...furtherFields,
  };
}

/** @returns null for text that is not a JSON object */
export function parseObject(text: string): Fields | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : null;
  } catch {
    return null;
  }
}
