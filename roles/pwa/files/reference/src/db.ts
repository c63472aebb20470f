// What this browser keeps, in IndexedDB: it survives a reload, and a transaction writes all of its records or none.
import type { Message } from "./conversation";
import type { Point } from "./history";
import type { Item } from "./outbox";

interface Records {
  outbox: Item;
  messages: Message;
  points: Point;
}

export type Additions = { [Name in keyof Records]?: Records[Name][] };

let database: Promise<IDBDatabase> | undefined;

function open(): Promise<IDBDatabase> {
  database ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("auren", 1);
    request.onupgradeneeded = () => {
      for (const name of ["outbox", "messages", "points"]) request.result.createObjectStore(name, { keyPath: "id", autoIncrement: true });
      request.result.createObjectStore("kept");
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return database;
}

/** Run `work` in one transaction and wait until it is on disk; the result is that of the request it returns. */
async function within<T>(names: string[], mode: IDBTransactionMode, work: (tx: IDBTransaction) => IDBRequest<T> | void): Promise<T> {
  const tx = (await open()).transaction(names, mode, { durability: "strict" });
  const request = work(tx);
  return new Promise((resolve, reject) => {
    tx.oncomplete = () => resolve(request?.result as T);
    tx.onabort = () => reject(tx.error);
  });
}

export function all<Name extends keyof Records>(name: Name): Promise<Records[Name][]> {
  return within([name], "readonly", (tx) => tx.objectStore(name).getAll());
}

export async function put<Name extends keyof Records>(name: Name, record: Records[Name]): Promise<void> {
  await within([name], "readwrite", (tx) => void tx.objectStore(name).put(record));
}

/** Change a record that is still there. */
export async function update<Name extends keyof Records>(name: Name, record: Records[Name]): Promise<void> {
  await within([name], "readwrite", (tx) => {
    const store = tx.objectStore(name);
    const there = store.get(record.id!);
    there.onsuccess = () => there.result && store.put(record);
  });
}

/** Hold `name` until a time, unless another owner holds it still; whether it is held now. */
export async function lease(name: string, owner: string, now: number, until: number): Promise<boolean> {
  let held = false;
  await within(["kept"], "readwrite", (tx) => {
    const store = tx.objectStore("kept");
    const known = store.get(name);
    known.onsuccess = () => {
      const other = known.result as { owner: string; until: number } | undefined;
      held = !other || other.owner === owner || other.until <= now;
      if (held) store.put({ owner, until }, name);
    };
  });
  return held;
}

export async function remove(name: keyof Records, id: number): Promise<void> {
  await within([name], "readwrite", (tx) => void tx.objectStore(name).delete(id));
}

/** Take an item out of the queue and keep what came of it, both or neither. */
export async function settle(id: number, additions: Additions): Promise<void> {
  await within(["outbox", "messages", "points"], "readwrite", (tx) => {
    tx.objectStore("outbox").delete(id);
    for (const [name, records] of Object.entries(additions)) for (const record of records) tx.objectStore(name).add(record);
  });
}

export function recall<T>(key: string): Promise<T | undefined> {
  return within(["kept"], "readonly", (tx) => tx.objectStore("kept").get(key));
}

export async function keep(key: string, value: unknown): Promise<void> {
  await within(["kept"], "readwrite", (tx) => void tx.objectStore("kept").put(value, key));
}

/** Drop the oldest records beyond `most`. */
export async function trim(name: "messages" | "points", most: number): Promise<void> {
  const records = await all(name);
  for (const record of records.slice(0, Math.max(0, records.length - most))) await remove(name, record.id!);
}

/** Everything but the queue: what waits to be sent is never dropped in passing. */
export async function forget(): Promise<void> {
  const names = ["messages", "points", "kept"];
  await within(names, "readwrite", (tx) => names.forEach((name) => tx.objectStore(name).clear()));
}
