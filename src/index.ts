// The Worker's entry.
import { createApp } from "./app.ts";
import { config, wire } from "./isolate.ts";

export { Budget } from "./durable/budget.ts";
export { Flight } from "./durable/run.ts";
export { Job } from "./durable/job-workflow.ts";
export { JobRecord } from "./durable/job-record.ts";
export default createApp(config, wire);
