import { createApp, type App } from "./app";
import type { Service } from "./api";
import { loadConfig } from "./config";
import { trim } from "./db";
import { h } from "./dom";
import { bodyPage } from "./pages/body";
import { chatPage } from "./pages/chat";
import { sendPage } from "./pages/send";
import { Readings } from "./readings";
import { startRouter } from "./router";
import { watchStatus } from "./status";

const SERVICES: Service[] = ["neuros", "biometric"];

async function start(): Promise<void> {
  const main = document.querySelector<HTMLElement>("#main")!;
  const config = await loadConfig();
  document.querySelector("#title")!.textContent = config.title;
  let app: App;
  try {
    app = await createApp(config);
    await Promise.all([trim("messages", 200), trim("points", 1000)]);
  } catch {
    main.replaceChildren(h("p", { class: "page", role: "alert" }, "This browser does not let the page keep data; private windows often refuse it."));
    return;
  }
  const readings = new Readings(config);
  const routes = { "/": () => chatPage(app), "/body": () => bodyPage(app, readings), "/send": () => sendPage(app) };
  if (location.pathname === "/readings") history.replaceState(null, "", "/body");
  startRouter(routes, main, config.title);
  // The pause after a failure ends early when the service has recovered or the network is back.
  watchStatus(Math.max(config.poll_seconds, 10), (service, recovered) => void app.outbox.flush(service, recovered));
  addEventListener("online", () => SERVICES.forEach((service) => void app.outbox.flush(service, true)));
}

/** A page that demands Trusted Types takes the address of a worker only from a policy. */
function registerWorker(): void {
  const { trustedTypes } = window as { trustedTypes?: { createPolicy(name: string, rules: object): { createScriptURL(url: string): string } } };
  const policy = trustedTypes?.createPolicy("auren", { createScriptURL: () => "/sw.js" });
  void navigator.serviceWorker.register(policy?.createScriptURL("/sw.js") ?? "/sw.js", { updateViaCache: "none" });
}

void start();
if (import.meta.env.PROD && "serviceWorker" in navigator) registerWorker();
