// The Worker's entry point: the HTTP handler, the Durable Objects and the Workflow.
import { createApp } from "./app.ts";
import { config, wire } from "./isolate.ts";

export { Budget } from "./durable/budget.ts";
export { Run } from "./durable/run.ts";
export { JobWorkflow } from "./durable/job-workflow.ts";
export { JobRecord } from "./durable/job-record.ts";
export default createApp(config, wire);
