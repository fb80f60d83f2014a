// One part of a message or of a reasoning item in a stream, and its value so far.
import { type JsonObject, recordsOf } from "../lib/json.ts";
import { withoutNulls } from "../lib/objects.ts";
import type { UpstreamEvent } from "./event.ts";
import { PART_FORMS, type PartForm, type PartKind } from "./event-kinds.ts";
import { StreamedText } from "./streamed-text.ts";

export class StreamedPart {
  /** Undefined for a part that is not text, which is passed on as it is. */
  readonly kind: PartKind | undefined;
  /** Its position in the item's list, which is also its index in the events. */
  readonly index: number;
  /** Upstream's index, if it sent one. */
  readonly upstreamIndex: number | undefined;
  readonly text = new StreamedText();
  /** The keys of the part besides its text, as upstream sent them last. */
  fields: JsonObject = {};
  /** The annotations that had events of their own. */
  readonly annotations: JsonObject[] = [];
  /** The texts of the part in the events that finish it or its item. */
  readonly finals: string[] = [];
  /** Upstream's events that finish the text and the part. */
  textDone: UpstreamEvent | undefined;
  partDone: UpstreamEvent | undefined;
  /** Whether upstream sent an event that announces the part. If it did not, the part is known from another event. */
  wasAdded = false;
  isAnnounced = false;
  isClosed = false;

  constructor(kind: PartKind | undefined, index: number, upstreamIndex: number | undefined) {
    this.kind = kind;
    this.index = index;
    this.upstreamIndex = upstreamIndex;
  }

  get form(): PartForm {
    return PART_FORMS[this.kind ?? "output_text"];
  }

  /** Adds the keys that an event or a finished item has for this part. Nulls are ignored. */
  addFields(fields: JsonObject): void {
    const { annotations } = this.fields;
    this.fields = { ...this.fields, ...withoutNulls(fields) };
    // A hollow item has fewer annotations than an earlier event.
    if (annotations !== undefined && recordsOf(fields["annotations"]).length < recordsOf(annotations).length)
      this.fields["annotations"] = annotations;
  }

  /** Returns the part as the event that announces it shows it: without text. */
  initialValue(): JsonObject {
    if (this.kind === undefined) return this.fields;
    const value: JsonObject = { ...this.fields, type: this.kind, [this.form.textKey]: "" };
    if (this.kind === "output_text") Object.assign(value, { annotations: [], logprobs: [] });
    return value;
  }

  /** Returns the finished part. */
  value(): JsonObject {
    if (this.kind === undefined) return this.fields;
    const value: JsonObject = { ...this.fields, type: this.kind, [this.form.textKey]: this.text.toString() };
    if (this.kind === "output_text") {
      const annotations = recordsOf(this.fields["annotations"]);
      value["annotations"] = annotations.length >= this.annotations.length ? annotations : this.annotations;
      value["logprobs"] ??= [];
    }
    return value;
  }
}
