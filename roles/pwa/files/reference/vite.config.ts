import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { defineConfig, type Connect, type Plugin } from "vite";

const env = process.env;

// What nginx does in production: strip the prefix and hand on.
const proxy = {
  "/api/neuros": to(env.NEUROS_URL ?? "http://127.0.0.1:8000", "/api/neuros"),
  "/api/biometric": to(env.BRIDGE_URL ?? "http://127.0.0.1:8888", "/api/biometric"),
};

// The policy that the built application must live with; the preview server enforces it; the server's own is a little wider.
const policy = [
  "default-src 'self'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "manifest-src 'self'",
  "worker-src 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "require-trusted-types-for 'script'",
].join("; ");

function to(target: string, prefix: string) {
  return { target, changeOrigin: true, rewrite: (path: string) => path.slice(prefix.length) };
}

/** Writes dist/sw.js: the service worker with the list of files to keep and a version that changes with any of them. */
function serviceWorker(): Plugin {
  return {
    name: "service-worker",
    apply: "build",
    closeBundle() {
      const files = readdirSync("dist", { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
        .filter((file) => file !== join("dist", "sw.js"))
        .sort();
      const source = readFileSync(join("src", "sw.js"), "utf8");
      const hash = createHash("sha256").update(source);
      for (const file of files) hash.update(file).update(readFileSync(file));
      const urls = files.map((file) => "/" + relative("dist", file).split(sep).join("/")).map((url) => (url === "/index.html" ? "/" : url));
      const worker = source.replace("__VERSION__", hash.digest("hex").slice(0, 12)).replace('["__FILES__"]', JSON.stringify(urls));
      writeFileSync(join("dist", "sw.js"), worker);
    },
  };
}

/** Serves /config.json from AUREN_CONFIG in development and preview; in production nginx does. */
function runtimeConfig(): Plugin {
  const answer: Connect.NextHandleFunction = (_request, response) => {
    response.setHeader("Content-Type", "application/json");
    response.end(env.AUREN_CONFIG ?? "{}");
  };
  return {
    name: "runtime-config",
    configureServer: (server) => void server.middlewares.use("/config.json", answer),
    configurePreviewServer: (server) => void server.middlewares.use("/config.json", answer),
  };
}

export default defineConfig({
  plugins: [runtimeConfig(), serviceWorker()],
  build: { sourcemap: false, assetsInlineLimit: 0, modulePreload: { polyfill: false }, target: "es2022" },
  server: { proxy },
  preview: { proxy, headers: { "Content-Security-Policy": policy } },
});
