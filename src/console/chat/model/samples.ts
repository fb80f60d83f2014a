// Sample schemas and tools, so that users can try these fields without writing JSON.
import type { Fields } from "./conversation.ts";

const text = { type: "string" };
const object = (properties: Fields): Fields => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
});

export const SCHEMAS: Record<string, Fields> = {
  summary: object({ title: text, summary: text, keywords: { type: "array", items: text } }),
  sentiment: object({ sentiment: { type: "string", enum: ["positive", "neutral", "negative"] }, reason: text }),
  contact: object({ name: text, email: { type: "string", format: "email" }, topic: text }),
};

export const TOOLS: Record<string, Fields[]> = {
  "web search": [{ type: "web_search" }],
  "function: get_weather": [
    {
      type: "function",
      name: "get_weather",
      description: "Today's weather in a city.",
      parameters: object({ city: text }),
      strict: true,
    },
  ],
};
