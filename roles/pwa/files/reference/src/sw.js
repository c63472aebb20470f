// The service worker. The build writes the version and the files of the shell into it.
const VERSION = "__VERSION__";
const FILES = ["__FILES__"];
const SHELL = `auren-shell-${VERSION}`;
// Apart from the shell, so that a new version offline still knows whose readings it shows.
const CONFIG = "auren-config";
const PATIENCE = 4000;
// The files are the same for every request, whatever a server says they vary by.
const KEPT = { cacheName: SHELL, ignoreVary: true, ignoreSearch: true };

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin || url.pathname.startsWith("/api/")) return;
  if (url.pathname === "/config.json") event.respondWith(config(request));
  else if (request.mode === "navigate") event.respondWith(navigate(request));
  else if (FILES.includes(url.pathname)) event.respondWith(shell(request));
});

async function install() {
  const cache = await caches.open(SHELL);
  await cache.addAll(FILES.map((file) => new Request(file, { cache: "reload" })));
  // The first page was loaded before this worker could see its config.json.
  await config(new Request("/config.json"));
  // A page has loaded all its code at the start, so a new version may take over at once; the next load shows it.
  await self.skipWaiting();
}

async function activate() {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith("auren-") && name !== SHELL && name !== CONFIG);
  await Promise.all(old.map((name) => caches.delete(name)));
  await self.clients.claim();
}

/** The network's answer; the last good one, or none of the settings, when there is no network. */
async function config(request) {
  const cache = await caches.open(CONFIG);
  try {
    const response = await fetch(request, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    if (response.ok) await cache.put("/config.json", response.clone());
    if (response.status < 500) return response;
  } catch {
    // Offline: what was kept stands in.
  }
  return (await cache.match("/config.json")) ?? new Response("{}", { headers: { "Content-Type": "application/json" } });
}

/** Every page is the same document, so the kept one can stand in for any of them. */
async function navigate(request) {
  try {
    const response = await fetch(request, { signal: AbortSignal.timeout(PATIENCE) });
    if (response.status < 500) return response;
  } catch {
    // Offline, or too slow to wait for.
  }
  return (await caches.match("/", KEPT)) ?? Response.error();
}

async function shell(request) {
  return (await caches.match(request, KEPT)) ?? fetch(request);
}
