import type { App } from "../app";
import { entries, type Entry } from "../conversation";
import * as db from "../db";
import { h, uid } from "../dom";
import { heading, type Page } from "../router";

const NAMES = { user: "You", neuros: "NEUROS", error: "Not answered", pending: "NEUROS" };
const STATES = { waiting: "waiting to be sent", sending: "sending", failed: "not sent" };
const EXAMPLES = ["How am I today?", "Should I train hard today?", "What does my HRV say?"];

// What was typed survives a look at another page.
let draft = "";

export function chatPage(app: App): Page {
  const log = h("div", { id: "messages", role: "log", "aria-live": "off", "aria-label": "Conversation", tabindex: "0" });
  const field = h("textarea", { id: "message", rows: "1", maxlength: "8000", placeholder: "Ask about your readings", enterkeyhint: "send" });
  const send = async (text: string) => {
    const message = text.trim();
    if (!message) return;
    const body = { user_id: app.config.user_id, session_id: app.session, message };
    await app.outbox.add({ uid: uid(), service: "neuros", path: "/api/neuros/api/agents/neuros/analyze", body, label: message });
  };
  let storing = false;
  const submit = async (event: Event) => {
    event.preventDefault();
    if (storing) return;
    storing = true;
    try {
      await send(field.value);
      field.value = draft = ""; // not before it is safe
    } finally {
      storing = false;
    }
    field.focus();
  };
  const welcome = welcomeBox(send, field);
  const form = h(
    "form",
    { class: "composer", submit },
    h("label", { for: "message", class: "hidden" }, "Message to NEUROS"),
    field,
    h("button", { id: "send-message", class: "primary" }, "Send"),
  );
  field.value = draft;
  field.addEventListener("input", () => (draft = field.value));
  field.addEventListener("keydown", (event) => {
    // While an input method composes a word, Enter belongs to it.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    void submit(event);
  });
  const render = renderer(app, log, welcome, field);
  void render();
  const element = h("div", { class: "page chat" }, heading("Chat with NEUROS"), log, welcome, form);
  return { title: "Chat", element, stop: app.on(() => void render()) };
}

function welcomeBox(send: (text: string) => Promise<void>, field: HTMLElement): HTMLElement {
  const ask = (text: string) => () => {
    void send(text);
    field.focus();
  };
  const buttons = EXAMPLES.map((text) => h("button", { type: "button", click: ask(text) }, text));
  const intro = h("p", {}, "NEUROS answers from your own readings. Ask in your own words, or start with one of these.");
  return h("div", { class: "welcome", hidden: true }, intro, h("div", { class: "examples" }, ...buttons));
}

/** Draws what changed and leaves the rest alone, so that a screen reader hears new messages only. */
function renderer(app: App, log: HTMLElement, welcome: HTMLElement, field: HTMLElement): () => Promise<void> {
  const shown = new Map<string, { signature: string; element: HTMLElement }>();
  let turn = 0;
  return async () => {
    const mine = ++turn;
    const [messages, items] = await Promise.all([db.all("messages"), app.outbox.items()]);
    // A later change has already begun to draw.
    if (mine !== turn) return;
    const queue = items.filter((item) => item.service === "neuros");
    const wanted = entries(messages, queue, app.outbox.sending.get("neuros"));
    welcome.hidden = wanted.length > 0;
    const lost = log.contains(document.activeElement) && document.activeElement !== log;
    const changed = update(app, log, shown, wanted);
    // Only what comes from now on is news.
    log.setAttribute("aria-live", "polite");
    if (!changed) return;
    log.scrollTop = log.scrollHeight;
    if (lost && !log.contains(document.activeElement)) field.focus();
  };
}

function update(app: App, log: HTMLElement, shown: Map<string, { signature: string; element: HTMLElement }>, wanted: Entry[]): boolean {
  let changed = false;
  for (const [key, { element }] of shown) {
    if (wanted.some((entry) => entry.key === key)) continue;
    element.remove();
    shown.delete(key);
    changed = true;
  }
  wanted.forEach((entry, index) => {
    const signature = JSON.stringify([entry.role, entry.state, entry.text, entry.item?.attempts]);
    const before = shown.get(entry.key);
    if (before?.signature === signature) return;
    const element = bubble(app, entry);
    if (before) before.element.replaceWith(element);
    else log.insertBefore(element, log.children[index] ?? null);
    shown.set(entry.key, { signature, element });
    changed = true;
  });
  return changed;
}

function bubble(app: App, entry: Entry): HTMLElement {
  const { item } = entry;
  const removable = item && entry.state !== "sending" && (entry.role === "error" || entry.state === "waiting") && !(entry.role === "user" && item.error);
  return h(
    "div",
    { class: "bubble", "data-role": entry.role, "data-state": entry.state },
    h("span", { class: "who" }, NAMES[entry.role], entry.state && h("span", { class: "state" }, ` · ${STATES[entry.state]}`)),
    h("p", {}, entry.text),
    entry.note && h("p", { class: "note" }, entry.note),
    removable &&
      h(
        "span",
        { class: "actions" },
        entry.role === "error" && h("button", { type: "button", click: () => void app.outbox.retry(item) }, "Try again"),
        h("button", { type: "button", click: () => void app.outbox.remove(item) }, "Remove"),
      ),
  );
}
