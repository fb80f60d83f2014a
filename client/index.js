// Generated from src/client by `npm run build:client`: edit there.
// src/client/error.ts
var AskError = class extends Error {
  constructor(body, { status = 0, headers } = {}) {
    const header = (name) => headers?.get(name);
    const {
      message = `HTTP ${status}`,
      code = "unexpected_response",
      type = code,
      param = "",
      request_id = header("x-request-id") ?? ""
    } = body ?? {};
    super(message, body);
    Object.assign(this, {
      name: "AskError",
      code,
      type,
      param,
      status,
      requestId: request_id,
      retryAfter: +header("retry-after") || 0,
      // `unavailable` can also end a stream with status 200, when its recording can't be read right now.
      retryable: (!status || status === 429 || status > 499 || code === "unavailable") && header("x-should-retry") !== "false"
    });
  }
};
function connectionLost(response, cause) {
  return new AskError({ message: "Connection lost.", code: "connection_lost", cause }, { headers: response?.headers });
}

// src/client/pause.ts
var MAX_RETRIES = 2;
var MAX_RETRIES_BEGUN = 6;
var PAUSE_MS = 250;
var MAX_PAUSE_MS = 6e4;
function pauseAfter(error, tries, begun) {
  const { retryable, retryAfter, status } = Object(error);
  const ms = retryAfter * 1e3 || (status || tries > 1 ? PAUSE_MS << tries : 0);
  if (!retryable || tries > (begun ? MAX_RETRIES_BEGUN : MAX_RETRIES) || ms > MAX_PAUSE_MS) throw error;
  return ms;
}
function aborted(signal) {
  return new Promise((_, reject) => {
    if (signal.aborted) reject();
    signal.addEventListener("abort", reject);
  });
}
function sleep(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    aborted(signal).catch(() => resolve(clearTimeout(timer)));
  });
}

// src/client/call.ts
function createCall({ url, token, fetch: send }) {
  let current;
  async function credential(refused) {
    const previous = current;
    if (await previous?.catch(() => refused) === refused && current === previous)
      current = Promise.resolve(typeof token === "function" ? token(refused) : token);
    return current;
  }
  return async (path, init, within) => {
    let refusal;
    let refused;
    for (; ; ) {
      const bearer = await Promise.race([aborted(init.signal), credential(refused)]);
      if (bearer && bearer !== refused) (init.headers ??= {})["authorization"] = `Bearer ${bearer}`;
      else if (refusal) throw refusal;
      const response = await within((send ?? fetch)(new URL(path, url).href, init));
      if (response.ok) return response;
      const error = new AskError(
        (await response.json().catch(() => null))?.error,
        response
      );
      if (response.status !== 401 || refusal) throw error;
      refusal = error;
      refused = bearer;
    }
  };
}

// src/client/decode.ts
var MAX_CHARS = 16777216;
function createDecoder(maxChars = MAX_CHARS) {
  const utf8 = new TextDecoder();
  let line = "";
  let afterCr = false;
  let fields = {};
  return (bytes) => {
    let text = utf8.decode(bytes, { stream: true });
    if (!text) return [];
    if (afterCr) text = text.replace(/^\n/, "");
    afterCr = text.at(-1) === "\r";
    const lines = text.split(/\r\n?|\n/);
    lines[0] = line + lines[0];
    line = lines.pop();
    const events = [];
    for (const each of lines) {
      const [, field = "", value = ""] = /^(id|event|data)(?:: ?(.*))?$/s.exec(each) ?? [];
      if (each) fields[field] = field === "data" && "data" in fields ? `${fields.data}
${value}` : value;
      else {
        if ("data" in fields) events.push(fields);
        fields = {};
      }
    }
    if ((fields.data + line).length > maxChars) throw RangeError("Endless.");
    return events;
  };
}

// src/client/stream.ts
var MAX_SILENCE_MS = 3e4;
function openStream(call, path, from, streamed, signal, conversation = {}) {
  const token = { ...from };
  const stop = new AbortController();
  let answer;
  async function* read() {
    for (let tries = 0, ms = 0; ; ) {
      const connection = new AbortController();
      const ended = AbortSignal.any([connection.signal, stop.signal, signal ?? stop.signal]);
      let response;
      const within = async (work) => {
        const timer = streamed ? setTimeout(() => connection.abort(connectionLost()), MAX_SILENCE_MS) : 0;
        try {
          return await work;
        } catch (error) {
          throw connectionLost(response, error);
        } finally {
          clearTimeout(timer);
        }
      };
      try {
        if (ms) await sleep(ms, ended);
        const { key, body, lastEventId } = token;
        const init = {
          signal: ended,
          ...from && {
            method: "POST",
            body: JSON.stringify({ ...body, stream: streamed }),
            headers: {
              "content-type": "application/json",
              "idempotency-key": key,
              ...lastEventId && { "last-event-id": lastEventId }
            }
          }
        };
        response = await call(path, init, within);
        if (!streamed) {
          conversation.id = (answer = JSON.parse(await within(response.text()))).id;
          return;
        }
        const reader = response.body.getReader();
        aborted(ended).catch(() => reader.cancel()).catch(() => void 0);
        const decode = createDecoder();
        for (; ; ) {
          const { done, value } = await within(reader.read());
          if (done) throw connectionLost(response);
          for (const { id, event, data: text } of decode(value)) {
            const data = JSON.parse(text);
            if (ended.aborted || event === "error") throw new AskError(data.error, response);
            const last = token.lastEventId;
            if (last && (event !== "done" || id !== last) && id !== last.replace(/\d+$/, (n) => +n + 1))
              throw new AskError({ message: "Stream lost.", code: "stream_lost" }, response);
            token.lastEventId = id;
            tries = 0;
            if (event === "done") conversation.id = (answer = data).id;
            yield { event, data };
            if (answer) return;
          }
        }
      } catch (error) {
        const failure = ended.aborted ? ended.reason : response && !(error instanceof AskError) ? new AskError({ cause: error }, response) : error;
        connection.abort();
        if (stop.signal.aborted) return;
        ms = pauseAfter(failure, ++tries, token.lastEventId);
      }
    }
  }
  const events = read();
  const end = events.return.bind(events);
  return Object.assign(events, {
    resumeToken: token,
    async answer() {
      for await (const _ of events) ;
      if (answer) return answer;
      throw stop.signal.reason;
    },
    return() {
      stop.abort();
      return end();
    }
  });
}

// src/client/client.ts
function createClient(options) {
  const call = createCall(options);
  function conversation({ id = null, preset = options.preset } = {}) {
    let last;
    const open = (streamed, question, { signal, idempotencyKey = crypto.randomUUID() } = {}, token = {
      key: idempotencyKey,
      body: {
        preset,
        previous_response_id: self.id,
        // Strings and arrays have a method `at`; a body does not.
        ...question?.at ? { input: question } : question
      }
    }) => {
      last = token.body;
      return openStream(call, "/ask", token, streamed, signal, self);
    };
    const self = {
      id,
      ask: (question, options2) => open(false, question, options2).answer(),
      stream: (question, options2) => open(true, question, options2),
      // If there is no earlier question, the body has no input, and the Worker rejects it.
      retry: (options2) => open(true, { ...last, cache: "refresh" }, options2),
      resume: (token, options2) => open(true, "", options2, token),
      async turns() {
        if (!self.id) return [];
        const { turns } = await openStream(call, `/ask/${self.id}?thread=true`).answer();
        const turn = turns.at(-1);
        if (turn) last ??= { preset, input: turn.input, previous_response_id: turn.answer.previous_response_id };
        return turns;
      },
      branch: (from = self.id) => conversation({ id: from, preset })
    };
    return self;
  }
  return {
    conversation,
    ask: (question, options2) => conversation().ask(question, options2),
    stream: (question, options2) => conversation().stream(question, options2),
    resume: (token, options2) => conversation().resume(token, options2)
  };
}
export {
  AskError,
  createClient
};
