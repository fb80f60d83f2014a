// Entries of the menu that change the bytes and their timing; what was generated stays as it was.
import { gzipSync } from "node:zlib";

import { MULTI_BYTE_TEXT, multiByte } from "./content-faults.ts";
import type { Hooks } from "./fault.ts";
import { isStream, type Script, step, type Step } from "./script.ts";

const ENDLESS_PIECE_BYTES = 16_384;
const GZIP = { "content-encoding": "gzip" };

const onWire = (script: (script: Script, number: number) => Script): Hooks => ({
  script: (given, _call, number) => script(given, number),
});

const onStream = (steps: (steps: Step[], number: number) => Step[]): Hooks =>
  onWire((script, number) => (isStream(script) ? { ...script, steps: steps([...script.steps], number) } : script));

const rewritten = (change: (text: string) => string): Hooks =>
  onStream((steps) => steps.map((each) => ({ ...each, bytes: Buffer.from(change(textOf(each))) })));

const textOf = ({ bytes }: Step): string => Buffer.from(bytes).toString("utf8");

const wholeOf = (script: Script): Buffer => Buffer.concat([...script.steps].map(({ bytes }) => bytes));

/** A stream up to half of its deltas, a body up to half of its bytes. */
function half(script: Script): Step[] {
  const steps = [...script.steps];
  if (!isStream(script)) {
    const whole = wholeOf(script);
    return [{ bytes: whole.subarray(0, whole.length >> 1), events: 0 }];
  }
  const deltas = steps.filter(({ delta }) => delta);
  const last = deltas[Math.ceil(deltas.length / 2) - 1];
  return steps.slice(0, last ? steps.indexOf(last) + 1 : steps.length >> 1);
}

export const cut = onWire((script) =>
  isStream(script)
    ? { ...script, steps: half(script) }
    : {
        ...script,
        steps: half(script),
        headers: { ...script.headers, "content-length": String(wholeOf(script).length) },
        end: "close",
      },
);
export const breaks = onWire((script) => ({ ...script, steps: half(script), end: "close" }));
export const breaksBeforeHeaders = onWire((script) => ({ ...script, end: "reset" }));
export const stalls = onWire((script) => ({ ...script, steps: half(script), end: "hang" }));

/** The aggregator's own reader failed: a line of JSON outside of all framing, then the end. */
export const bareJson = onStream((steps) => [
  ...steps.slice(0, steps.findIndex(({ delta }) => delta) + 1),
  step('{"error": {"code": "system error", "message": "unexpected end of JSON input", "type": "one_hub_error"}}'),
]);

export const silentAtFirst = onWire((script, ms) => ({ ...script, headersAfterMs: ms }));
export const slow = onWire((script, ms) =>
  isStream(script)
    ? {
        ...script,
        steps: [...script.steps].map((each) => (each.delta ? { ...each, pauseMs: ms } : each)),
      }
    : { ...script, headersAfterMs: ms },
);

/** Cuts each step before the given bytes; its event is complete with the last piece. */
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

export const byteByByte = onWire((script, ms) => ({
  ...script,
  steps: pieces(script.steps, () => true, ms),
}));

const isInsideCharacter = (byte: number): boolean => (byte & 0b1100_0000) === 0b1000_0000;
export const splitCharacters: Hooks = {
  draft: multiByte,
  ...onWire((script) => ({ ...script, steps: pieces(script.steps, isInsideCharacter, 0) })),
};

export const heartbeat = onWire((script, pauseMs) => {
  const steps = [...script.steps];
  const beat = { ...step(isStream(script) ? "::PING\n\n" : "\n"), pauseMs };
  const beats = isStream(script)
    ? [beat, beat, ...steps.slice(0, -1), beat, ...steps.slice(-1)]
    : [beat, beat, beat, ...steps];
  return { ...script, steps: beats };
});

export const comments = onStream((steps) =>
  steps.flatMap((each, index) => (index < 3 ? [step(": PROCESSING\n\n"), each] : [each])),
);
export const done = onStream((steps) => [...steps, step("data: [DONE]\n\n")]);
export const noEventLines = rewritten((text) => text.replace(/^event: .*\n/, ""));
export const crlf = rewritten((text) => text.replaceAll("\n", "\r\n"));

export const gzipped = onWire((script) => ({
  ...script,
  headers: { ...script.headers, ...GZIP },
  steps: [
    {
      bytes: gzipSync(wholeOf(script)),
      events: [...script.steps].reduce((sum, { events }) => sum + events, 0),
    },
  ],
}));
export const badEncoding = onWire((script) => ({
  ...script,
  headers: { ...script.headers, ...GZIP },
}));

/** Bytes that are no UTF-8 stand for the multi-byte words of the text. */
export const invalidUtf8: Hooks = {
  draft: multiByte,
  ...onWire((script) => ({
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

export const endless = onWire((script) => ({
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
