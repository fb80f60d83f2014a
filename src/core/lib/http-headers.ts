// Rules for names of HTTP headers: which names are well formed, and which headers the configuration can't set.

/** A header name is a token (RFC 9110 §5.6.2). */
export const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/;

const TRANSPORT_HEADER =
  /^(?:host|connection|content-(?:length|encoding|type)|accept-encoding|transfer-encoding|te|trailer|upgrade|expect|keep-alive|http2-settings|via|webhook-(?:id|timestamp|signature)|(?:proxy|sec|cf)-.*)$/;

/** Whether the header is set by the Worker or the network, because it belongs to the connection, the framing or the webhook signature. */
export function isTransportHeader(name: string): boolean {
  return TRANSPORT_HEADER.test(name.toLowerCase());
}
