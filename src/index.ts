// The Worker's entry.
import { createApp } from "./app.ts";
import { config, wire } from "./isolate.ts";

export { Budget } from "./objects/budget.ts";
export { Flight } from "./objects/flight.ts";
export { Job } from "./objects/job.ts";
export { JobRecord } from "./objects/job-record.ts";
export default createApp(config, wire);
