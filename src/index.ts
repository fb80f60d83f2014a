// The Worker's entry.
import config from "#config";
import { createApp } from "./app.ts";

export { Budget } from "./objects/budget.ts";
export default createApp(config);
