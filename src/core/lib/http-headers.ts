// Names of HTTP headers: which are well formed, and which belong to the connection and can't be set by configuration.
export const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/;

export const TRANSPORT =
  /^(?:host|connection|content-(?:length|encoding|type)|accept-encoding|transfer-encoding|te|trailer|upgrade|expect|keep-alive|http2-settings|via|webhook-(?:id|timestamp|signature)|(?:proxy|sec|cf)-.*)$/;

export function isTransportHeader(name: string): boolean {
  return TRANSPORT.test(name.toLowerCase());
}
