// Helps npm run setup to choose the default model: fetches UniAPI's list for the key, asks the user, and changes the line in src/config.ts.
import { parseJson } from "../src/core/lib/json.ts";

const TIMEOUT_MS = 10_000;
/** Matches a name that can be written into a TypeScript string without escaping. */
const PLAIN_NAME = /^[\w.:/@+-]+$/;
const DATE = /^\d{4}-\d{2}-\d{2}$/;
/** Matches the shipped src/config.ts, with any model and any comments. */
const SHIPPED_CONFIG =
  /^(?<start>(?:\/\/[^\n]*\n)*import \{ defineConfig \} from "[^"\n]+";\n\nexport default defineConfig\(\{ defaults: \{ model: ")(?<model>[^"\n]*)(?<end>" \} \}\);\n)$/;

export interface ListedModel {
  id: string;
  /** The day on which the model shuts down (YYYY-MM-DD), if its provider has announced one. */
  ends: string | undefined;
}

/**
 * Fetches the models that UniAPI lists for the key.
 * @param baseUrl UniAPI's URL without `/v1`
 * @throws Error if there is no usable list. The message contains nothing that UniAPI sent
 */
export async function fetchModels(baseUrl: string, key: string): Promise<ListedModel[]> {
  const response = await fetch(`${baseUrl}/v1/models`, {
    headers: { authorization: `Bearer ${key}`, accept: "application/json" },
    redirect: "manual",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (response.status !== 200) throw new Error(`status ${response.status}`);
  const body = parseJson(await response.text());
  // The error of `response.json()` would quote the body.
  if (body === undefined) throw new Error("not JSON");
  const models = modelsFrom(body);
  if (models.length === 0) throw new Error("an empty list");
  return models;
}

/**
 * Reads the models from UniAPI's list, and sorts them by name. Names and dates are printed to a terminal, so a model whose name is not
 * plain is omitted, and a date that is not plain is undefined. Returns an empty list if the body has no list.
 */
export function modelsFrom(body: unknown): ListedModel[] {
  const data = field(body, "data");
  if (!Array.isArray(data)) return [];
  return data
    .flatMap((entry): ListedModel[] => {
      const [id, ends] = [field(entry, "id"), field(entry, "shutdown_date")];
      if (typeof id !== "string" || !PLAIN_NAME.test(id)) return [];
      return [{ id, ends: typeof ends === "string" && DATE.test(ends) ? ends : undefined }];
    })
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

/**
 * Asks for a model until the user types nothing, the name of a model, or a part of the name of exactly one model.
 * @returns undefined if the user typed nothing
 */
export async function chooseModel(
  models: readonly ListedModel[],
  current: string | undefined,
  ask: (question: string) => Promise<string>,
  print: (text: string) => void,
): Promise<string | undefined> {
  for (;;) {
    const typed = (await ask(`Default model${current === undefined ? "" : ` (Enter keeps ${current})`}: `)).trim();
    if (typed === "") return undefined;
    const exact = models.find(({ id }) => id === typed);
    const similar = models.filter(({ id }) => id.includes(typed));
    if (exact !== undefined) return exact.id;
    if (similar.length === 1) return similar[0]?.id;
    print(similar.length === 0 ? "UniAPI lists no model of that name for this key." : listOf(similar));
  }
}

export function listOf(models: readonly ListedModel[], width?: number): string {
  return columnsOf(
    models.map(({ id, ends }) => (ends === undefined ? id : `${id} (ends ${ends})`)).toSorted(),
    width ?? process.stdout.columns ?? 80,
  );
}

/** Formats names in rows, with as many columns as fit into `width`. */
export function columnsOf(names: readonly string[], width: number): string {
  const column = Math.max(...names.map(({ length }) => length)) + 2;
  const perRow = Math.max(1, Math.floor(width / column));
  const rows: string[] = [];
  for (let at = 0; at < names.length; at += perRow) {
    const cells = names.slice(at, at + perRow).map((name) => name.padEnd(column));
    rows.push(`  ${cells.join("")}`.trimEnd());
  }
  return rows.join("\n");
}

/**
 * Returns the text of src/config.ts with another default model.
 * @returns undefined if the file has other settings, too, or if the model's name would have to be escaped
 */
export function configWithModel(text: string, model: string): string | undefined {
  const { start, end } = SHIPPED_CONFIG.exec(text)?.groups ?? {};
  return start === undefined || end === undefined || !PLAIN_NAME.test(model) ? undefined : `${start}${model}${end}`;
}

/** Returns the default model of src/config.ts, or undefined if the file has other settings, too. */
export function shippedModel(text: string): string | undefined {
  return SHIPPED_CONFIG.exec(text)?.groups?.["model"];
}
