import { isObject, type Receipt } from "../api";
import type { App } from "../app";
import { check, DEVICES, labelOf, type Device, type Field } from "../devices";
import { h, say, uid } from "../dom";
import { explain, type Item, type Settled } from "../outbox";
import { heading, type Page } from "../router";

export function sendPage(app: App): Page {
  const device = h("select", { id: "device", name: "device" }, ...Object.entries(DEVICES).map(([key, { name }]) => h("option", { value: key }, name)));
  device.value = app.config.device in DEVICES ? app.config.device : "oura";
  const fields = h("div", { class: "fields" });
  const result = h("p", { id: "reading-result", role: "status" });
  const waiting = h("div", { id: "waiting-readings" });
  const draw = () => fields.replaceChildren(...DEVICES[device.value]!.fields.map(input));
  let last = "";
  const submit = (event: Event) => {
    event.preventDefault();
    const values = collect(DEVICES[device.value]!, fields, result);
    if (!values) return;
    const item = readingItem(app, device.value, values);
    last = item.uid;
    say(result, navigator.onLine ? "Sending…" : "No connection: the reading waits to be sent.");
    void app.outbox.add(item);
  };
  const form = h(
    "form",
    { id: "reading", class: "card", novalidate: true, submit },
    h("label", { for: "device" }, "Device"),
    device,
    fields,
    h("button", { id: "send-reading", class: "primary" }, "Send reading"),
    result,
  );
  device.addEventListener("change", draw);
  draw();
  const render = () => void app.outbox.items().then((items) => drawWaiting(app, waiting, items));
  render();
  const stop = app.on((settled) => {
    if (settled?.item.uid === last) say(result, sentence(settled));
    render();
  });
  const intro = h("p", {}, "A reading sent here goes the way of a wearable's webhook, dated now. Leave empty what you do not want to send.");
  const element = h("div", { class: "page" }, heading("Send a test reading"), intro, form, waiting);
  return { title: "Send a reading", element, stop };
}

function input(field: Field): HTMLElement {
  const id = `field-${field.name}`;
  const attributes = { id, name: field.name, type: "number", inputmode: "decimal", step: "any", min: String(field.min), max: String(field.max) };
  const label = h("label", { for: id }, `${field.label} `, h("span", { class: "note" }, `(${field.unit})`));
  const control = h("input", { ...attributes, "aria-describedby": `${id}-error`, autocomplete: "off" });
  return h("div", {}, label, control, h("p", { id: `${id}-error`, class: "error" }));
}

/** The numbers of the form; undefined, with the reason on the page, when they cannot be sent. */
function collect(device: Device, fields: HTMLElement, result: HTMLElement): Record<string, number> | undefined {
  const values: Record<string, number> = {};
  let wrong: HTMLInputElement | undefined;
  for (const field of device.fields) {
    const element = fields.querySelector<HTMLInputElement>(`[name="${field.name}"]`)!;
    // What is no number at all reads as empty, and only `validity` tells.
    const outcome = check(field, element.validity.badInput ? "?" : element.value);
    const problem = typeof outcome === "string" ? outcome : "";
    say(fields.querySelector(`#${element.id}-error`)!, problem);
    element.setAttribute("aria-invalid", String(problem !== ""));
    if (problem) wrong ??= element;
    else if (typeof outcome === "number") values[field.name] = outcome;
  }
  const empty = !wrong && Object.keys(values).length === 0;
  say(result, empty ? "Enter at least one value." : "");
  (wrong ?? (empty ? fields.querySelector("input") : undefined))?.focus();
  return wrong || empty ? undefined : values;
}

function readingItem(app: App, key: string, values: Record<string, number>) {
  const device = DEVICES[key]!;
  // The time is fixed here: a reading that waits keeps it, and one that is repeated stays the same event.
  const body = { ...device.body(values, new Date().toISOString()), user_id: app.config.user_id };
  const told = device.fields.filter(({ name }) => name in values).map(({ name, label }) => `${label} ${values[name]}`);
  return { uid: uid(), service: "biometric" as const, path: `/api/biometric/webhooks/${key}`, body, label: `${device.name}: ${told.join(", ")}` };
}

function sentence({ item, outcome, answer }: Settled): string {
  if (outcome !== "done") return explain(item.service, answer) || "No connection: the reading waits to be sent.";
  const { events_processed, events_rejected, events } = (isObject(answer.body) ? answer.body : {}) as Partial<Receipt>;
  const names = (events ?? []).map((event) => `${labelOf(event.metric_type)} ${event.value}`).join(", ");
  const rejected = events_rejected ? ` ${events_rejected} rejected.` : "";
  return `Sent: ${events_processed ?? 0} processed${names && ` (${names})`}.${rejected}`;
}

function drawWaiting(app: App, place: HTMLElement, items: Item[]): void {
  const queue = items.filter((item) => item.service === "biometric");
  const title = queue.length ? [h("h2", {}, "Not sent yet")] : [];
  place.replaceChildren(...title, ...queue.map((item) => waitingRow(app, item)));
}

function waitingRow(app: App, item: Item): HTMLElement {
  const sending = app.outbox.sending.get("biometric") === item.uid;
  const state = sending ? "sending" : item.state;
  const actions = h(
    "span",
    { class: "actions" },
    h("button", { type: "button", click: () => void app.outbox.retry(item) }, "Try again"),
    h("button", { type: "button", click: () => void app.outbox.remove(item) }, "Remove"),
  );
  const text = `${item.label}, ${new Date(item.at).toLocaleTimeString()}`;
  return h("div", { class: "card", "data-state": state }, h("p", {}, text), item.error && h("p", { class: "error" }, item.error), !sending && actions);
}
