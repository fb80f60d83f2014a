// Entries of the menu that change the bytes and their timing, but not the response itself.
import { gzipSync } from "node:zlib";

import { MULTI_BYTE_TEXT, multiByte } from "./content-faults.ts";
import type { Hooks } from "./fault.ts";
import { isStream, type Script, step, type Step } from "./script.ts";

const ENDLESS_PIECE_BYTES = 16_384;
const GZIP = { "content-encoding": "gzip" };

const changeScript = (script: (script: Script, number: number) => Script): Hooks => ({
  script: (original, _call, number) => script(original, number),
});

const changeStream = (steps: (steps: Step[], number: number) => Step[]): Hooks =>
  changeScript((script, number) =>
    isStream(script) ? { ...script, steps: steps([...script.steps], number) } : script,
  );

const rewriteText = (change: (text: string) => string): Hooks =>
  changeStream((steps) => steps.map((each) => ({ ...each, bytes: Buffer.from(change(textOf(each))) })));

const textOf = ({ bytes }: Step): string => Buffer.from(bytes).toString("utf8");

const bytesOf = (script: Script): Buffer => Buffer.concat([...script.steps].map(({ bytes }) => bytes));

/** A stream up to half of its deltas, or a body up to half of its bytes. */
function firstHalf(script: Script): Step[] {
  const steps = [...script.steps];
  if (!isStream(script)) {
    const body = bytesOf(script);
    return [{ bytes: body.subarray(0, body.length >> 1), events: 0 }];
  }
  const deltas = steps.filter(({ delta }) => delta);
  const last = deltas[Math.ceil(deltas.length / 2) - 1];
  return steps.slice(0, last ? steps.indexOf(last) + 1 : steps.length >> 1);
}

export const cut = changeScript((script) =>
  isStream(script)
    ? { ...script, steps: firstHalf(script) }
    : {
        ...script,
        steps: firstHalf(script),
        headers: { ...script.headers, "content-length": String(bytesOf(script).length) },
        end: "close",
      },
);
export const breaks = changeScript((script) => ({ ...script, steps: firstHalf(script), end: "close" }));
export const breaksBeforeHeaders = changeScript((script) => ({ ...script, end: "reset" }));
export const stalls = changeScript((script) => ({ ...script, steps: firstHalf(script), end: "hang" }));

/** A relay sends this when its own reader fails: a line of JSON outside of all framing, then the end. */
export const bareJson = changeStream((steps) => [
  ...steps.slice(0, steps.findIndex(({ delta }) => delta) + 1),
  step('{"error": {"code": "system error", "message": "unexpected end of JSON input", "type": "one_hub_error"}}'),
]);

export const silentAtFirst = changeScript((script, ms) => ({ ...script, headersAfterMs: ms }));
export const slow = changeScript((script, ms) =>
  isStream(script)
    ? {
        ...script,
        steps: [...script.steps].map((each) => (each.delta ? { ...each, pauseMs: ms } : each)),
      }
    : { ...script, headersAfterMs: ms },
);

/** Cuts each step before the bytes for which `ends` is true. The last piece completes the step's event. */
function pieces(steps: Iterable<Step>, ends: (byte: number) => boolean, pauseMs: number): Step[] {
  return [...steps].flatMap((each) => {
    const cuts = [0, ...[...each.bytes.keys()].filter((at) => at > 0 && ends(each.bytes[at] ?? 0))];
    return cuts.map((from, index) => ({
      bytes: each.bytes.subarray(from, cuts[index + 1] ?? each.bytes.length),
      events: index === cuts.length - 1 ? each.events : 0,
      pauseMs,
    }));
  });
}

export const byteByByte = changeScript((script, ms) => ({
  ...script,
  steps: pieces(script.steps, () => true, ms),
}));

const isInsideCharacter = (byte: number): boolean => (byte & 0b1100_0000) === 0b1000_0000;
export const splitCharacters: Hooks = {
  draft: multiByte,
  ...changeScript((script) => ({ ...script, steps: pieces(script.steps, isInsideCharacter, 0) })),
};

export const heartbeat = changeScript((script, pauseMs) => {
  const steps = [...script.steps];
  const beat = { ...step(isStream(script) ? "::PING\n\n" : "\n"), pauseMs };
  const beats = isStream(script)
    ? [beat, beat, ...steps.slice(0, -1), beat, ...steps.slice(-1)]
    : [beat, beat, beat, ...steps];
  return { ...script, steps: beats };
});

export const comments = changeStream((steps) =>
  steps.flatMap((each, index) => (index < 3 ? [step(": PROCESSING\n\n"), each] : [each])),
);
export const done = changeStream((steps) => [...steps, step("data: [DONE]\n\n")]);
export const noEventLines = rewriteText((text) => text.replace(/^event: .*\n/, ""));
export const crlf = rewriteText((text) => text.replaceAll("\n", "\r\n"));

/** By the words in the name after `frames-`: streams as the specification of server-sent events allows them. */
export const FRAME_FORMS: Record<string, Hooks> = {
  "without-spaces": rewriteText((text) => text.replaceAll(/^(event|data): /gm, "$1:")),
  "with-pretty-json": rewriteText((text) =>
    text.replace(/^data: (.*)$/m, (_, data: string) =>
      JSON.stringify(JSON.parse(data), null, 2)
        .split("\n")
        .map((line) => `data: ${line}`)
        .join("\n"),
    ),
  ),
  "with-ids-and-retries": rewriteText((text) => `id: 7\nretry: 3000\n${text}`),
  "with-data-first": rewriteText((text) => text.replace(/^(event: .*)\n(data: .*)$/m, "$2\n$1")),
  "with-a-bom": changeStream((steps) => [{ ...step("\uFEFF"), events: 0 }, ...steps]),
  "with-other-names": rewriteText((text) => text.replace(/^event: .*$/m, "event: message")),
  "with-one-cr": rewriteText((text) => text.replaceAll("\n", "\r")),
  "with-blank-lines": rewriteText((text) => `\n\n${text}\n`),
};

const withType = (type: string | undefined): Hooks =>
  changeScript((script) => {
    const { "content-type": _, ...headers } = script.headers;
    return { ...script, headers: type === undefined ? headers : { ...headers, "content-type": type } };
  });

/** By the words in the name after `content-type-`. */
export const CONTENT_TYPES: Record<string, Hooks> = {
  absent: withType(undefined),
  text: withType("text/plain; charset=utf-8"),
  octets: withType("application/octet-stream"),
  upper: {
    script: (script) => ({
      ...script,
      headers: { ...script.headers, "content-type": (script.headers["content-type"] ?? "").toUpperCase() },
    }),
  },
  json: withType("application/json"),
};

export const gzipped = changeScript((script) => ({
  ...script,
  headers: { ...script.headers, ...GZIP },
  steps: [
    {
      bytes: gzipSync(bytesOf(script)),
      events: [...script.steps].reduce((sum, { events }) => sum + events, 0),
    },
  ],
}));
export const badEncoding = changeScript((script) => ({
  ...script,
  headers: { ...script.headers, ...GZIP },
}));

/** Replaces the multi-byte words of the text with bytes that aren't UTF-8. */
export const invalidUtf8: Hooks = {
  draft: multiByte,
  ...changeScript((script) => ({
    ...script,
    steps: [...script.steps].map((each) => ({
      ...each,
      bytes: Buffer.from(
        Buffer.from(each.bytes).toString("latin1").replaceAll(LATIN1_WORD, "\xff\xfe\xc3\x28"),
        "latin1",
      ),
    })),
  })),
};
const LATIN1_WORD = Buffer.from(MULTI_BYTE_TEXT.trim().split(" ")[0] ?? "").toString("latin1");

export const endless = changeScript((script) => ({
  ...script,
  steps: endlessSteps(isStream(script) ? [...script.steps].slice(0, 2) : []),
}));

function* endlessSteps(first: Step[]): Generator<Step> {
  yield* first;
  const delta = '{"type":"response.output_text.delta","delta":"';
  yield step(first.length > 0 ? `event: response.output_text.delta\ndata: ${delta}` : delta);
  const more = { ...step("x".repeat(ENDLESS_PIECE_BYTES)), pauseMs: 0 };
  for (;;) yield more;
}
