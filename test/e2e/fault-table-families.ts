// The families of the emulator's menu as rows of the fault table. Each group has the members of a family that have the same outcome. They
// change an answer that has every kind of item, unless the group names another base.
import { ERROR_FORMS, type ErrorForm, WHATS } from "../emulator/error-families.ts";
import { FAMILIES } from "../emulator/menu.ts";
import { INPUT_TOKENS, OUTPUT_TOKENS } from "../emulator/usage-faults.ts";
import {
  ANY_TEXT,
  busy,
  FAILED,
  fails,
  NO_ANSWER,
  QUOTA,
  REASONS,
  type Refused,
  refuses,
  rejection,
  type Row,
  WHOLE,
} from "./fault-table.ts";

export interface Group {
  /** The names of the members, as a pattern. */
  pattern: string;
  /** What the members have in common, if they are not the whole family. */
  only?: string;
  base: string;
  names: readonly string[];
  row: Row;
  /** JSON can't have the fault, or has no other copy of the lost information. */
  streamOnly?: true;
}

const membersOf = (pattern: string): string[] =>
  Object.keys(FAMILIES.find((family) => family.pattern === pattern)?.members ?? {});

const wholeBut = (fields: Record<string, unknown>): Row => ({
  answer: (text) => ({ ...WHOLE.answer?.(text), ...fields }),
});

interface Exception {
  only: string;
  names: RegExp;
  row: Row;
  base?: string;
  streamOnly?: true;
}

/** A group for each exception that has members, and one for all other members. */
function groups(pattern: string, row: Row, exceptions: readonly Exception[], streamOnly?: true): Group[] {
  const rest = new Set(membersOf(pattern));
  const prefix = pattern.replace(/[A-Z]+$/, "");
  const shared = { pattern, base: "everything", ...(streamOnly === undefined ? {} : { streamOnly }) };
  const special = exceptions.map(({ names: expression, ...exception }): Group => {
    const names = [...rest].filter((name) => expression.test(name.slice(prefix.length)));
    for (const name of names) rest.delete(name);
    return { ...shared, ...exception, names };
  });
  return [{ ...shared, names: [...rest], row }, ...special];
}

const REFUSAL: Exception = {
  only: "of a refusal",
  names: /^(?:field-)?refusal/,
  base: "refusal",
  row: { answer: () => ({ text: "", refusal: "I can't help with that." }) },
};
/** Fields whose information no other field has, and which JSON contains once, so that it is lost there. */
const ONCE_IN_JSON = /^(?:item\.(?:content|summary|arguments)|part\.(?:text|type|annotations)|response\.output)$/;

const UNKNOWN_USAGE = wholeBut({ usage: null });
const usage = (cached: number, reasoning: number): Row =>
  wholeBut({
    usage: {
      input_tokens: INPUT_TOKENS,
      cached_tokens: cached,
      output_tokens: OUTPUT_TOKENS,
      reasoning_tokens: reasoning,
      total_tokens: INPUT_TOKENS + OUTPUT_TOKENS,
    },
  });

const fieldGroups = (pattern: string): Group[] =>
  groups(pattern, WHOLE, [
    REFUSAL,
    { only: "the model", names: /^response\.model$/, row: wholeBut({ model: ANY_TEXT }) },
    { only: "the usage", names: /^response\.usage$/, row: UNKNOWN_USAGE },
    {
      only: "the whole response",
      names: /^response$/,
      row: wholeBut({ usage: null, model: ANY_TEXT }),
      streamOnly: true,
    },
    { only: "what JSON contains once", names: ONCE_IN_JSON, row: WHOLE, streamOnly: true },
    { only: "what can't be known", names: /^item\.(?:type|call_id|name)$/, row: { ...WHOLE, mayFail: true } },
  ]);

const CONTRADICTS = fails("upstream_invalid_response", true);

/** The dresses that contain the error's code and field. */
const CODED = new Set(["error", "flat", "nested", "errors", "json-in-text", "detail-error", "anthropic", "vllm"]);

export const GROUPS: readonly Group[] = [
  ...groups(
    "without-EVENT",
    WHOLE,
    [REFUSAL, { only: "the last one", names: /^completed$/, row: { ...WHOLE, stream: fails("upstream_error", true) } }],
    true,
  ),
  ...groups(
    "doubled-EVENT",
    WHOLE,
    [
      {
        only: "a piece of text",
        names: /^output_text\.delta$/,
        row: { ...WHOLE, stream: CONTRADICTS },
      },
      { ...REFUSAL, names: /^refusal\.done$/ },
      {
        only: "another piece",
        names: /\.delta$/,
        row: { ...WHOLE, mayFail: true },
      },
    ],
    true,
  ),
  ...groups(
    "early-EVENT",
    WHOLE,
    [
      REFUSAL,
      {
        only: "what an item can't begin with",
        names: /^(?:output_item\.done|reasoning_summary_part\.added)$/,
        row: { ...WHOLE, mayFail: true },
      },
    ],
    true,
  ),
  ...groups("late-EVENT", WHOLE, [REFUSAL], true),
  ...groups("renamed-EVENT", WHOLE, [REFUSAL], true),
  ...groups("hollow-EVENT", WHOLE, [REFUSAL], true),
  ...fieldGroups("without-field-FIELD"),
  ...fieldGroups("null-field-FIELD"),
  ...groups("terminal-FORM", WHOLE, [{ only: "without usage", names: /^without-response$/, row: UNKNOWN_USAGE }], true),
  ...groups("numbers-FORM", WHOLE, [], true),
  ...groups("created-at-FORM", WHOLE, []),
  ...groups("frames-FORM", WHOLE, [], true),
  ...groups("content-type-FORM", WHOLE, []),
  ...groups("items-with-FORM", WHOLE, [
    { only: "without annotations", names: /^(?:content-as-text|parts-as-texts)$/, row: REASONS, base: "reasons" },
  ]),
  ...groups("usage-FORM", UNKNOWN_USAGE, [
    {
      only: "whose parts fit",
      names:
        /^(?:chat-names|both-names|both-names-one-zero|both-names-other-zero|chat-names-without-total|without-total)$/,
      row: usage(40_000, 20_000),
    },
    {
      only: "without details",
      names: /^(?:chat-names-without-details|without-details|null-details)$/,
      row: usage(0, 0),
    },
  ]),
  ...errorGroups(),
];

/** Errors by what the caller must get, which depends on the code, and else on the status. */
function errorGroups(): Group[] {
  const byOutcome = new Map<string, Group>();
  for (const [name, form] of Object.entries(ERROR_FORMS)) {
    const row = errorRow(form);
    const key = `${form.what} ${JSON.stringify(row)}`;
    const known = byOutcome.get(key);
    const group: Group = known ?? { pattern: `${form.what}-as-FORM-in-PLACE`, base: "text", names: [], row };
    byOutcome.set(key, { ...group, names: [...group.names, name] });
  }
  return [...byOutcome.values()].map((group) => ({ ...group, only: `such as ${group.names[0] ?? ""}` }));
}

/** Whatever form it has, an error is classified by its code, or else by its words. Once there was output, the call may have been paid. */
function errorRow({ what, dress, place }: ErrorForm): Row {
  const isError =
    place !== "200" || /^(?:error|nested|json-in-text|code-number|code-number-text|anthropic)$/.test(dress);
  const refused = refusalOf(what, CODED.has(dress), dress === "detail-list", isError);
  // A stream is not text, so its words are not read.
  if (place === "200" && dress === "text") return refuses(refused, { refused: NO_ANSWER });
  return place.startsWith("late")
    ? { ...refuses({ ...refused, final: true }), stream: fails(refused.code, true) }
    : refuses(refused);
}

/** @param isError whether the body is recognized as an error, rather than as an invalid response */
function refusalOf(what: string, isCoded: boolean, isFieldNamed: boolean, isError: boolean): Refused {
  const { code = "", param = null } = WHATS[what] ?? {};
  const field = isCoded ? (param ?? "") : isFieldNamed ? (param ?? "input") : "";
  switch (what) {
    case "rate-limit":
      return busy("8");
    case "quota":
      return QUOTA;
    case "context":
      return rejection(code, field);
    case "bad-field":
      return rejection(isCoded ? code : "upstream_rejected", field);
    default:
      return isError ? FAILED : NO_ANSWER;
  }
}
