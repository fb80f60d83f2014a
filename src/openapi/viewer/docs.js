// The script of /docs, which shows /openapi.json in Swagger UI, in the system's theme. The script is a separate file because the page's
// Content-Security-Policy forbids inline scripts.
const dark = matchMedia("(prefers-color-scheme: dark)");
const applyTheme = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
applyTheme();
dark.addEventListener("change", applyTheme);

document.addEventListener("DOMContentLoaded", () => {
  globalThis.SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#reference",
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    // Null turns off validation by an external service.
    validatorUrl: null,
  });
});
