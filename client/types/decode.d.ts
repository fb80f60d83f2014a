// Generated from src/client by `npm run build:client`: edit there.
/** The fields of one event. Fields that the client does not know are stored under the key "". */
export interface ServerSentEvent {
    id?: string;
    event?: string;
    data?: string;
    [field: string]: string | undefined;
}
/**
 * Returns a function that decodes the next bytes to the events that they complete. The function throws a RangeError if an event has more
 * than `maxChars` characters.
 */
export declare function createDecoder(maxChars?: number): (bytes: Uint8Array) => ServerSentEvent[];
