// The connections in the header: in words and in a sign, never in colour alone.
import { health, type Service } from "./api";
import { every, say } from "./dom";

const NAMES = { network: "Network", neuros: "NEUROS", biometric: "Bridge" };
const SERVICES: Service[] = ["neuros", "biometric"];

type State = "ok" | "bad" | "checking";

/** Watches until the page closes; `up` hears of each service found well, and whether it was not well before. */
export function watchStatus(seconds: number, up: (service: Service, recovered: boolean) => void): void {
  const check = async () => {
    show("network", navigator.onLine ? "ok" : "bad", navigator.onLine ? "Online" : "Offline");
    await Promise.all(SERVICES.map((service) => checkService(service, up)));
  };
  const repeated = every(seconds, check);
  addEventListener("online", () => void repeated.now());
  addEventListener("offline", () => void check());
}

async function checkService(service: Service, up: (service: Service, recovered: boolean) => void): Promise<void> {
  // Asking without a network gives nothing but errors in the console.
  const { ok, detail } = navigator.onLine ? await health(service) : { ok: false, detail: "" };
  const recovered = stateOf(service) !== "ok";
  const word = ok ? "ok" : navigator.onLine ? "down" : "unknown";
  show(service, ok ? "ok" : "bad", `${NAMES[service]} ${word}`, detail && `not well: ${detail}`);
  if (ok) up(service, recovered);
}

function element(name: keyof typeof NAMES): HTMLElement {
  return document.querySelector<HTMLElement>(`#status [data-service="${name}"]`)!;
}

function stateOf(name: keyof typeof NAMES): State {
  return element(name).dataset["state"] as State;
}

function show(name: keyof typeof NAMES, state: State, text: string, title = ""): void {
  element(name).dataset["state"] = state;
  element(name).title = title;
  say(element(name), text);
}
