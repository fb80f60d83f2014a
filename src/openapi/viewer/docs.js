// The page of /docs: shows /openapi.json in Swagger UI, in the reader's light or dark. A file of its own, since the page's policy
// refuses scripts within HTML.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
follow();
dark.addEventListener("change", follow);

document.addEventListener("DOMContentLoaded", () => {
  globalThis.SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#reference",
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    // Null: nobody else is asked whether the document is valid.
    validatorUrl: null,
  });
});
