// Named JSON documents in the SQLite database of a Durable Object. A row can store at most 2 MB, so a document over ROW_BYTES is split into
// several rows. Reading creates no table, so an object that was only read stores nothing.
import { parseJson } from "../core/lib/json.ts";

/** The most bytes of a document that one row stores. */
const ROW_BYTES = 1_000_000;

/** `Types` maps each document's name to its type. */
export class Documents<Types> {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  read<Name extends keyof Types & string>(name: Name): Types[Name] | null {
    if (this.#sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'documents'").toArray().length === 0) return null;
    const rows = this.#sql
      .exec<{ bytes: ArrayBuffer }>("SELECT bytes FROM documents WHERE name = ? ORDER BY piece", name)
      .toArray();
    if (rows.length === 0) return null;
    const decoder = new TextDecoder();
    const text = rows.map(({ bytes }) => decoder.decode(bytes, { stream: true })).join("") + decoder.decode();
    return parseJson(text) as Types[Name];
  }

  write<Name extends keyof Types & string>(name: Name, value: Types[Name]): void {
    this.#sql.exec(
      "CREATE TABLE IF NOT EXISTS documents (name TEXT NOT NULL, piece INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (name, piece))",
    );
    this.remove(name);
    const bytes = new TextEncoder().encode(JSON.stringify(value));
    for (let offset = 0; offset < bytes.length; offset += ROW_BYTES) {
      this.#sql.exec(
        "INSERT INTO documents (name, piece, bytes) VALUES (?, ?, ?)",
        name,
        offset / ROW_BYTES,
        bytes.slice(offset, offset + ROW_BYTES),
      );
    }
  }

  remove(name: keyof Types & string): void {
    this.#sql.exec("DELETE FROM documents WHERE name = ?", name);
  }
}
