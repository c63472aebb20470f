// What the pages share: the settings, the queue, and the news that something in it changed, in this tab or another.
import { call, isObject, type Analysis, type Answer, type Receipt } from "./api";
import type { Config } from "./config";
import { messageOf } from "./conversation";
import * as db from "./db";
import type { Additions } from "./db";
import { uid } from "./dom";
import { createLock } from "./lock";
import { Outbox, type Item, type Settled } from "./outbox";

type Listener = (settled?: Settled) => void;

export interface App {
  config: Config;
  outbox: Outbox;
  session: string;
  /** Hear of changes until the returned function is called. */
  on(listener: Listener): () => void;
}

// NEUROS takes up to a minute; a reading is acknowledged within seconds.
const TIMEOUT = { neuros: 90_000, biometric: 20_000 };

export async function createApp(config: Config): Promise<App> {
  const listeners = new Set<Listener>();
  const tell: Listener = (settled) => listeners.forEach((listener) => listener(settled));
  const tabs = new BroadcastChannel("auren");
  tabs.onmessage = () => tell();
  const outbox = new Outbox(
    { all: () => db.all("outbox"), put: (item) => db.put("outbox", item), update: (item) => db.update("outbox", item), remove: (id) => db.remove("outbox", id), settle },
    {
      send: (item) => call(item.path, item.body, TIMEOUT[item.service]),
      online: () => navigator.onLine,
      now: Date.now,
      lock: createLock(),
    },
    (settled) => {
      tell(settled);
      tabs.postMessage("changed");
    },
  );
  return {
    config,
    outbox,
    session: await session(),
    on(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

async function settle(item: Item, answer: Answer): Promise<void> {
  await db.settle(item.id!, item.service === "neuros" ? { messages: [messageOf(item, answer.body as Analysis)] } : pointsOf(item, answer));
}

function pointsOf(item: Item, answer: Answer): Additions {
  const user = isObject(item.body) ? String(item.body["user_id"]) : "";
  const events = (answer.body as Receipt).events ?? [];
  return {
    points: events.map((event) => ({ user, metric: event.metric_type, at: Date.parse(event.timestamp), value: event.value, kind: "sent" })),
  };
}

async function session(): Promise<string> {
  const known = await db.recall<string>("session");
  if (known) return known;
  const fresh = uid();
  await db.keep("session", fresh);
  return fresh;
}
