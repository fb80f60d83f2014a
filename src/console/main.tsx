// The console's entry: renders the app into the document. Text from models and callers is only ever rendered as text, never as HTML.
import { render } from "preact";
import { App } from "./app.tsx";
import { restoreTheme } from "./ui/theme.tsx";

restoreTheme();
render(<App />, document.body);
