// The typed client inside a Worker, through the package and a binding's fetch; and the response of /client.js.
import { AskError, createClient } from "uniapi-edge/client";
import { describe, expect, test } from "vitest";
import {
  calls,
  eachTestAlone,
  KEYS,
  uniqueText,
  problemOf,
  SERVER_KEYS,
  startWorker,
  type WorkerUnderTest,
} from "./worker.ts";

const logged = eachTestAlone();

const clientOf = (worker: WorkerUnderTest, token: string): ReturnType<typeof createClient> =>
  createClient({ url: "http://localhost:8787", token, fetch: (url, init) => worker.send(url, init) });

describe("in a Worker", () => {
  test("the client asks, streams and continues the conversation", async () => {
    const worker = startWorker({}, { SERVER_KEYS });
    const conversation = clientOf(worker, KEYS.alice).conversation();
    const [first, second] = [uniqueText("My name is Ada."), uniqueText("What is my name?")];
    expect(await conversation.ask(first)).toMatchObject({
      text: `You said: "${first}".`,
      status: "completed",
      previous_response_id: null,
    });
    await worker.settled();
    const parent = conversation.id;
    let text = "";
    let last = "";
    for await (const { event, data } of conversation.stream(second)) {
      if (event === "text") text += data.delta;
      last = event;
    }
    expect(last).toBe("done");
    expect(text).toBe(`Turn 2. You said: "${second}". Before that you said: "${first}".`);
    await worker.settled();
    expect((await conversation.turns()).map(({ input, answer }) => [input, answer.previous_response_id])).toEqual([
      [first, null],
      [second, parent],
    ]);
  });

  test("a retry repeats the question with the same parent", async () => {
    const worker = startWorker({}, { SERVER_KEYS });
    const conversation = clientOf(worker, KEYS.alice).conversation();
    const input = uniqueText();
    const first = await conversation.ask(input);
    await worker.settled();
    const again = await conversation.retry().answer();
    expect(again).toMatchObject({ text: first.text, previous_response_id: null });
    expect(again.id).not.toBe(first.id);
    expect(await calls(input)).toBe(2);
  });

  test("errors are AskErrors with the request id", async () => {
    const worker = startWorker({}, { SERVER_KEYS });
    const failure = await clientOf(worker, KEYS.alice)
      .ask({ input: uniqueText(), model: "emulate/400" })
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(AskError);
    expect(failure).toMatchObject({
      status: 400,
      param: expect.any(String),
      requestId: logged.requests()[0]?.["request_id"],
      retryable: false,
    });
    await expect(clientOf(worker, "sk_wrong_0123456789ab").stream("hi").next()).rejects.toMatchObject({
      code: "invalid_credentials",
    });
  });

  test("a call that may have been paid is not repeated", async () => {
    const worker = startWorker({}, { SERVER_KEYS });
    const input = uniqueText();
    await expect(clientOf(worker, KEYS.alice).ask({ input, model: "emulate/500" })).rejects.toMatchObject({
      code: "upstream_error",
      retryable: false,
    });
    expect(await calls(input)).toBe(1);
  });
});

describe("/client.js", () => {
  test("is a module that a page of any origin may import", async () => {
    for (const origin of ["https://anywhere.example", "null", "http://localhost:5173"]) {
      const response = await startWorker().get("/client.js", { origin });
      expect(response.status).toBe(200);
      expect(Object.fromEntries(response.headers)).toMatchObject({
        "content-type": "text/javascript; charset=utf-8",
        "access-control-allow-origin": "*",
        "cache-control": "public, max-age=300, stale-while-revalidate=86400",
        "x-content-type-options": "nosniff",
        etag: expect.stringMatching(/^"[\w-]+"$/),
      });
      expect(response.headers.get("vary"), "the same response for every origin").toBeNull();
      expect(await response.text()).toMatch(/export\{\w+ as AskError,\w+ as createClient\};\s*$/);
    }
  });

  test("is not sent again to a client that has the same version", async () => {
    const worker = startWorker();
    const etag = (await worker.get("/client.js")).headers.get("etag") ?? "";
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
      const response = await worker.get("/client.js", { "if-none-match": known });
      expect([response.status, await response.text(), response.headers.get("etag")]).toEqual([304, "", etag]);
    }
    expect((await worker.get("/client.js", { "if-none-match": '"other"' })).status).toBe(200);
  });

  test("allows GET and HEAD only", async () => {
    const worker = startWorker();
    expect((await worker.send("/client.js", { method: "HEAD" })).status).toBe(200);
    const wrong = await worker.send("/client.js", { method: "POST", body: "x" });
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    expect(await problemOf(wrong)).toMatchObject({ code: "method_not_allowed" });
    expect(logged.requests().map(({ route }) => route)).toEqual(["HEAD /client.js", "POST /client.js"]);
  });
});
