// Checks of a response against its row of the fault table, for POST /ask. fault-checks-responses.ts has those for /v1/responses.
import { expect } from "vitest";
import type { Emulator } from "../emulator/emulator.ts";
import { type Form, type Refused, type Row, STATUS, streamOutcome } from "./fault-table.ts";
import { endOf, errorOf, eventsOf, type HttpResponse, json, type Worker } from "./worker.ts";

/** No request may hang. A stream that arrives byte by byte takes long on a busy machine. */
export const BOUND_MS = 20_000;

/** No answer begins later. */
const LONG_MS = 2_000;

/** One request and what it must get. */
export interface Case {
  worker: Worker;
  emulator: Emulator;
  /** After `emulate/`. */
  name: string;
  row: Row;
  input: string;
}

export const modelOf = ({ name }: Pick<Case, "name">): string => `emulate/${name}`;
export const textOf = ({ input }: Pick<Case, "input">): string => `You said: "${input}".`;

export const callsOf = ({ emulator, input }: Pick<Case, "emulator" | "input">): number =>
  emulator.received.filter(({ raw }) => raw.includes(JSON.stringify(input))).length;

/** Asserts what SDKs read: the status, two headers and the error body. */
export function expectRefusal(response: HttpResponse, { status, code, param = "", final, retryAfter }: Refused): void {
  const error = errorOf(response);
  expect([response.status, error.code, error.param]).toEqual([status, code, param]);
  expect([response.headers["x-should-retry"], response.headers["retry-after"]]).toEqual([
    final ? "false" : undefined,
    retryAfter,
  ]);
}

/** An error that says that upstream's answer makes no sense. */
export const NONSENSE = /^upstream_(?:error|invalid_response)$/;

function expectAnswer(answer: Record<string, unknown>, each: Case): void {
  expect(answer).toEqual({
    id: expect.stringMatching(/^resp_ue1_[\w-]{1,247}$/),
    previous_response_id: null,
    created_at: expect.any(Number),
    model: `emulator/${modelOf(each)}`,
    status: "completed",
    usage: expect.any(Object),
    ...each.row.answer?.(textOf(each)),
  });
}

const CHECKS: Record<Form, (response: HttpResponse, each: Case) => void> = {
  JSON(response, each) {
    const { refused, mayFail } = each.row;
    if (refused !== undefined) expectRefusal(response, refused);
    else if (mayFail === true && response.status !== 200) expect(errorOf(response).code).toMatch(NONSENSE);
    else expectAnswer(json(response), each);
  },
  events(response, each) {
    const { refused, fails } = streamOutcome(each.row);
    if (refused !== undefined) {
      // A caller that has waited long gets the head of a stream before its outcome is known.
      if (response.status === 200 && response.ms > LONG_MS)
        expect(eventsOf(response).map(({ event, data }) => [event, (data["error"] as { code: string }).code])).toEqual([
          ["error", refused.code],
        ]);
      else expectRefusal(response, refused);
      return;
    }
    if (each.row.mayFail === true && response.status !== 200) {
      expect(errorOf(response).code).toMatch(NONSENSE);
      return;
    }
    const events = eventsOf(response);
    if (fails === undefined) {
      if (each.row.mayFail === true && events.at(-1)?.event === "error")
        expect(endOf(events)["code"]).toMatch(NONSENSE);
      else expectAnswer(endOf(events), each);
      return;
    }
    const names = [...new Set(events.map(({ event }) => event))];
    expect([names[0], names.includes("text"), names.at(-1)]).toEqual(["start", fails.textFirst, "error"]);
    expect(endOf(events)["code"]).toBe(fails.code);
  },
  text(response, each) {
    const { row } = each;
    const { refused, fails } = streamOutcome(row);
    if (refused !== undefined) expectRefusal(response, refused);
    else if (fails === undefined) {
      const answer = row.answer?.(textOf(each)) ?? {};
      if (row.mayFail === true && (response.broken || response.status !== 200)) return;
      expect([response.status, response.broken, response.text]).toEqual([
        200,
        false,
        answer["text"] === "" ? (answer["refusal"] ?? "") : answer["text"],
      ]);
    } else if (fails.textFirst) {
      expect([response.status, response.broken]).toEqual([200, true]);
      expect(response.text).not.toBe("");
    } else {
      expect([response.status, errorOf(response).code]).toEqual([STATUS[fails.code], fails.code]);
    }
  },
};

const REQUESTS: Record<Form, { fields: object; headers: Record<string, string> }> = {
  JSON: { fields: {}, headers: {} },
  events: { fields: { stream: true }, headers: {} },
  text: { fields: { stream: true }, headers: { accept: "text/plain" } },
};

/** Sends the question in that form, and asserts the response and the number of upstream calls. */
export async function checkAsk(each: Case, form: Form): Promise<void> {
  const { worker, emulator, input, row } = each;
  const { fields, headers } = REQUESTS[form];
  const response = await worker.ask({ input, model: modelOf(each), ...fields }, headers);
  expect(response.ms).toBeLessThan(BOUND_MS);
  const received = emulator.received.filter(({ raw }) => raw.includes(JSON.stringify(input)));
  expect(received.length, "calls of upstream").toBe(row.calls ?? 1);
  expect(new Set(received.map(({ headers: { host } }) => host)), "no redirect was followed").toEqual(
    new Set([new URL(emulator.url).host]),
  );
  CHECKS[form](response, each);
}
