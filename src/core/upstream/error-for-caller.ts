// Fits an error to its caller. Restricted callers must not learn the preset from upstream's words; all others should learn which setting
// to change if upstream does not have its model.
import { Problem } from "../lib/problem.ts";

/** Fields that every restricted caller sets itself. A path into one of them reveals nothing about the preset. */
const CALLER_FIELDS = /^(?:input|previous_response_id|max_output_tokens)\b/;

/**
 * Converts an error for a restricted caller: replaces upstream's message, which may reveal the preset, with one of our own. Upstream's code
 * remains. Returns any error except `upstream_rejected` and `item_not_found` unchanged.
 */
export function withoutUpstreamWords(error: unknown): unknown {
  if (!(error instanceof Problem) || (error.code !== "upstream_rejected" && error.code !== "item_not_found"))
    return error;
  const { param, ...details } = error.details;
  return new Problem(
    "upstream_rejected",
    "UniAPI refused this request. Change or shorten your input; if that does not help, the owner of this Worker must check the preset.",
    { ...details, ...(param !== undefined && CALLER_FIELDS.test(param) ? { param } : {}) },
  );
}

/**
 * Extends the error for a model that upstream does not know. Adds the names of the settings to change: to the reason in the log, and to the
 * message if the caller may see the config. Returns any other error unchanged.
 * @param settings the settings of src/config.ts that name the models, such as `defaults.model`; empty if the request names the model
 */
export function withModelSettings(error: unknown, settings: readonly string[], isRestricted: boolean): unknown {
  if (settings.length === 0 || !(error instanceof Problem) || error.details.noSuchModel !== true) return error;
  const message = isRestricted
    ? error.message
    : `${error.message} The model is set by \`${settings.join("` and `")}\` in src/config.ts. GET /v1/models lists the models that work.`;
  return new Problem(error.code, message, {
    ...error.details,
    reason: `${error.details.reason}, set by ${settings.join(" and ")}`,
  });
}
