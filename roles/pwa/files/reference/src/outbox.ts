// The queue of everything this browser sends. An item leaves it only when the server has taken it (2xx), or when the user removes it.
import { isObject, type Answer, type Service } from "./api";

export interface Item {
  id?: number;
  uid: string;
  service: Service;
  path: string;
  body: unknown;
  label: string;
  at: number;
  state: "waiting" | "failed";
  attempts: number;
  notBefore: number;
  error?: string;
}

export type Outcome = "done" | "failed" | "later";

export interface Settled {
  item: Item;
  outcome: Outcome;
  answer: Answer;
}

export interface Storage {
  all(): Promise<Item[]>;
  put(item: Item): Promise<void>;
  /** Change an item that is still there: another tab may have sent or removed it. */
  update(item: Item): Promise<void>;
  remove(id: number): Promise<void>;
  settle(item: Item, answer: Answer): Promise<void>;
}

export interface World {
  send(item: Item): Promise<Answer>;
  online(): boolean;
  now(): number;
  /** Runs one holder of `name` at a time, over all tabs. */
  lock(name: string, work: () => Promise<void>): Promise<void>;
}

const LONGEST_PAUSE = 120_000;

/** 2xx is done; a 4xx will not change by repeating it, save "too slow" and "too many"; all else may pass. */
export function outcomeOf(answer: Answer): Outcome {
  const { status, body } = answer;
  // A login page of some network also answers 200; only JSON is the service's word.
  if (status >= 200 && status < 300) return isObject(body) ? "done" : "later";
  return status >= 400 && status < 500 && status !== 408 && status !== 425 && status !== 429 ? "failed" : "later";
}

export function pause(attempts: number): number {
  return Math.min(5_000 * 2 ** Math.max(0, attempts - 1), LONGEST_PAUSE);
}

/** One sentence for the user; empty when there was no connection, for then the item just waits. */
export function explain(service: Service, { status, body }: Answer): string {
  const name = service === "neuros" ? "NEUROS" : "The bridge";
  const detail = isObject(body) && typeof body["detail"] === "string" ? `: ${body["detail"]}` : "";
  if (status === 0) return "";
  if (status === 401) return `${name} takes signed readings only, and a browser cannot sign (401).`;
  if (status < 300) return `${name} did not answer as it should; it will be tried again.`;
  if (status === 429) return `${name} is asked too often right now (429); it will be tried again.`;
  if (status >= 500) return `${name} cannot answer at the moment (${status}${detail}); it will be tried again.`;
  return `${name} refused it (${status}${detail}).`;
}

export class Outbox {
  /** The uid that is on its way to each service. */
  readonly sending = new Map<Service, string>();
  private readonly booked = new Map<Service, Promise<void>>();
  private readonly forced = new Set<Service>();

  constructor(
    private readonly storage: Storage,
    private readonly world: World,
    private readonly changed: (settled?: Settled) => void,
  ) {}

  items(): Promise<Item[]> {
    return this.storage.all();
  }

  /** Resolves when the item is safe on disk; sending follows. */
  async add(item: Pick<Item, "uid" | "service" | "path" | "body" | "label">): Promise<void> {
    await this.storage.put({ ...item, at: this.world.now(), state: "waiting", attempts: 0, notBefore: 0 });
    this.changed();
    void this.flush(item.service);
  }

  async retry(item: Item): Promise<void> {
    const { error: _, ...rest } = item;
    await this.storage.update({ ...rest, state: "waiting", notBefore: 0 });
    this.changed();
    await this.flush(item.service, true);
  }

  async remove(item: Item): Promise<void> {
    await this.storage.remove(item.id!);
    this.changed();
  }

  /** Send what waits, oldest first; `force` does not sit out the pause after a failure. */
  flush(service: Service, force = false): Promise<void> {
    if (force) this.forced.add(service);
    const waiting = this.booked.get(service);
    if (waiting) return waiting;
    const booking = this.world.lock(`auren-${service}`, () => {
      this.booked.delete(service);
      return this.drain(service);
    });
    this.booked.set(service, booking);
    return booking;
  }

  private async drain(service: Service): Promise<void> {
    let force = this.forced.delete(service);
    while (this.world.online()) {
      const item = (await this.storage.all()).find((one) => one.service === service && one.state === "waiting");
      if (!item || (item.notBefore > this.world.now() && !force)) return;
      force = false;
      if ((await this.deliver(item)) === "later") return;
    }
  }

  private async deliver(item: Item): Promise<Outcome> {
    this.sending.set(item.service, item.uid);
    this.changed();
    try {
      const answer = await this.world.send(item);
      const outcome = outcomeOf(answer);
      if (outcome === "done") await this.storage.settle(item, answer);
      else await this.storage.update(this.after(item, outcome, answer));
      this.changed({ item, outcome, answer });
      return outcome;
    } finally {
      this.sending.delete(item.service);
    }
  }

  private after(item: Item, outcome: Outcome, answer: Answer): Item {
    if (outcome === "failed") return { ...item, state: "failed", error: explain(item.service, answer) };
    // Without a connection there is nothing to spare: the next sign of life sends it.
    if (answer.status === 0) return item;
    const attempts = item.attempts + 1;
    return { ...item, attempts, notBefore: this.world.now() + pause(attempts), error: explain(item.service, answer) };
  }
}
