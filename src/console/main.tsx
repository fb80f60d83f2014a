// The console's entry: puts the page into the document. Everything that a model or a caller wrote reaches it as text only.
import { render } from "preact";
import { App } from "./app.tsx";
import { restoreTheme } from "./ui/theme.tsx";

restoreTheme();
render(<App />, document.body);
