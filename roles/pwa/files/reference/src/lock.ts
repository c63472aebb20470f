// One holder at a time over all tabs. Web Locks do that; where the page came over plain HTTP there are none, and a lease in the database
// does. It is longer than the longest request, for the timers of a tab in the background are slow.
import { uid } from "./dom";
import { lease } from "./db";

export type Lock = (name: string, work: () => Promise<void>) => Promise<void>;

const LEASE = 120_000;
const RENEW = 20_000;
const AGAIN = 1_000;

export function createLock(): Lock {
  if ("locks" in navigator) return (name, work) => navigator.locks.request(name, work).then(() => undefined);
  const owner = uid();
  const tails = new Map<string, Promise<void>>();
  return (name, work) => {
    const next = (tails.get(name) ?? Promise.resolve()).catch(() => undefined).then(() => holding(name, owner, work));
    tails.set(name, next);
    return next;
  };
}

async function holding(name: string, owner: string, work: () => Promise<void>): Promise<void> {
  while (!(await lease(name, owner, Date.now(), Date.now() + LEASE))) await new Promise((done) => setTimeout(done, AGAIN));
  const renewal = setInterval(() => void lease(name, owner, Date.now(), Date.now() + LEASE), RENEW);
  try {
    await work();
  } finally {
    clearInterval(renewal);
    await lease(name, owner, Date.now(), 0);
  }
}
