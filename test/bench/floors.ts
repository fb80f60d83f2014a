// Floors: Workers of a few lines that make the same calls to upstream, KV and Durable Objects as ours, and nothing else. The difference
// is the cost of our own code. Each floor is the source text of a module that workerd runs.

/** The call to upstream that the floors share. */
export const ASK = `
const ask = (request, env, body = request.body) =>
  fetch(env.UNIAPI_BASE_URL + "/v1/responses", {
    method: "POST",
    headers: { authorization: "Bearer " + env.UNIAPI_KEY, "content-type": "application/json" },
    body,
  });
const json = { "content-type": "application/json" };
const store = (env, text) => env.RESPONSES.put("floor:" + crypto.randomUUID(), text, { expirationTtl: 604800 });
`;

const COPY = `
function copy(stream) {
  const reader = stream.getReader();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
}
`;

const worker = (body: string, head = ASK, tail = ""): string =>
  `${head}export default { async fetch(request, env, ctx) {${body}} };\n${tail}`;

export const FLOORS = {
  empty: worker(`return new Response("ok");`, ""),
  /** Replaces the key and passes the body through. */
  pass: worker(`
    const answer = await ask(request, env);
    return new Response(answer.body, { headers: { "content-type": answer.headers.get("content-type") } });`),
  onePut: worker(`
    const text = await (await ask(request, env)).text();
    ctx.waitUntil(store(env, text));
    return new Response(text, { headers: json });`),
  getTwoPuts: worker(`
    await env.RESPONSES.get("floor:" + crypto.randomUUID(), "text");
    const text = await (await ask(request, env)).text();
    ctx.waitUntil(store(env, text));
    ctx.waitUntil(store(env, text));
    return new Response(text, { headers: json });`),
  bulkGetTwoPuts: worker(`
    await env.RESPONSES.get(["floor:" + crypto.randomUUID(), "floor:parent"], "text");
    const text = await (await ask(request, env)).text();
    ctx.waitUntil(store(env, text));
    ctx.waitUntil(store(env, text));
    return new Response(text, { headers: json });`),
  oneGet: worker(`return new Response(await env.RESPONSES.get("floor:answer", "text"), { headers: json });`),
  /** Copies a stream chunk by chunk in JavaScript. */
  copy: worker(
    `
    const answer = await ask(request, env);
    return new Response(copy(answer.body), { headers: { "content-type": "text/event-stream" } });`,
    ASK + COPY,
  ),
  /** Two budgets: holds in both before the call, settles both after it. */
  budgets: worker(
    `
    const mine = env.BUDGETS.getByName("mine");
    const total = env.BUDGETS.getByName("total");
    await mine.hold("1");
    await total.hold("1");
    const answer = await ask(request, env);
    const text = await answer.text();
    ctx.waitUntil(Promise.all([mine.settle("1"), total.settle("1")]));
    return new Response(text, { headers: json });`,
    `import { DurableObject } from "cloudflare:workers";\n${ASK}`,
    `export class Budget extends DurableObject {
      constructor(ctx, env) { super(ctx, env); ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS held (id TEXT, n INTEGER)"); }
      hold(id) { this.ctx.storage.sql.exec("INSERT INTO held VALUES (?, 1)", id); return null; }
      settle(id) { this.ctx.storage.sql.exec("DELETE FROM held WHERE id = ?", id); }
    }`,
  ),
  /** A new object for each request calls upstream, stores the answer and returns it. */
  run: worker(
    `return await env.RUNS.getByName(crypto.randomUUID()).fetch(request);`,
    `import { DurableObject } from "cloudflare:workers";\n${ASK}`,
    `export class Run extends DurableObject {
      async fetch(request) {
        const text = await (await ask(request, this.env)).text();
        this.ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS answer (text TEXT)");
        this.ctx.storage.sql.exec("INSERT INTO answer VALUES (?)", text);
        await this.ctx.storage.setAlarm(Date.now() + 86400000);
        return new Response(text, { headers: json });
      }
      async alarm() { await this.ctx.storage.deleteAll(); }
    }`,
  ),
} as const;
export type Floor = keyof typeof FLOORS;
