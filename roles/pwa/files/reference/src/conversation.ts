// The conversation as the page shows it: what was answered, then what is still in the queue.
import type { Analysis } from "./api";
import type { Item } from "./outbox";

/** A question with its answer. */
export interface Message {
  id?: number;
  uid: string;
  at: number;
  text: string;
  reply: string;
  note: string;
}

export interface Entry {
  key: string;
  role: "user" | "neuros" | "error" | "pending";
  text: string;
  state?: "waiting" | "sending" | "failed";
  note?: string;
  item?: Item;
}

export function messageOf(item: Item, analysis: Analysis): Message {
  return { uid: item.uid, at: item.at, text: item.label, reply: analysis.response, note: noteOf(analysis) };
}

/** Data quality, weak signals and the service's own notice in one line. */
export function noteOf({ data_quality, weak_signals_detected, notice }: Analysis): string {
  const signals = weak_signals_detected ?? [];
  const parts = [
    data_quality ? `Data quality: ${data_quality}` : "",
    signals.length ? `${signals.length === 1 ? "Weak signal" : "Weak signals"}: ${signals.join("; ")}` : "",
    notice ?? "",
  ];
  return parts.filter(Boolean).join(" · ");
}

/** In the order in which the user wrote; an answer stands right after its question. */
export function entries(messages: Message[], queue: Item[], sending: string | undefined): Entry[] {
  const answered = messages.map((message) => ({ at: message.at, entries: answeredEntries(message) }));
  const queued = queue.map((item) => ({ at: item.at, entries: queuedEntries(item, item.uid === sending) }));
  return [...answered, ...queued].sort((a, b) => a.at - b.at).flatMap((group) => group.entries);
}

function answeredEntries(message: Message): Entry[] {
  return [
    { key: `user-${message.uid}`, role: "user", text: message.text },
    { key: `reply-${message.uid}`, role: "neuros", text: message.reply, note: message.note },
  ];
}

function queuedEntries(item: Item, sending: boolean): Entry[] {
  const state = sending ? "sending" : item.state;
  const own: Entry = { key: `user-${item.uid}`, role: "user", text: item.label, state, item };
  if (sending) return [own, { key: `reply-${item.uid}`, role: "pending", text: "NEUROS is thinking…" }];
  return item.error ? [own, { key: `reply-${item.uid}`, role: "error", text: item.error, item }] : [own];
}
