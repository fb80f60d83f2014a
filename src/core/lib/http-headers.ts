// Names of HTTP headers: which are well formed, and which the configuration can't set.

/** A token of RFC 9110 section 5.6.2. */
export const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/;

const TRANSPORT_HEADER =
  /^(?:host|connection|content-(?:length|encoding|type)|accept-encoding|transfer-encoding|te|trailer|upgrade|expect|keep-alive|http2-settings|via|webhook-(?:id|timestamp|signature)|(?:proxy|sec|cf)-.*)$/;

/** Whether a header belongs to the connection or to the webhook signature, which the Worker sets itself. */
export function isTransportHeader(name: string): boolean {
  return TRANSPORT_HEADER.test(name.toLowerCase());
}
