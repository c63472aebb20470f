import { describe, expect, it } from "vitest";
import type { Answer } from "../src/api";
import { explain, outcomeOf, Outbox, pause, type Item, type Settled } from "../src/outbox";

/** A server that answers from a list, a store in memory, and a clock that stands. */
function setUp(answers: Answer[], kept: Item[] = []) {
  const world = { sent: [] as string[], settled: [] as Settled[], online: true, now: 1000 };
  let id = 0;
  const storage = {
    all: async () => kept.map((item) => ({ ...item })),
    put: async (item: Item) => {
      const at = kept.findIndex((one) => one.id === item.id);
      if (item.id && at >= 0) kept[at] = item;
      else kept.push({ ...item, id: ++id });
    },
    update: async (item: Item) => {
      const at = kept.findIndex((one) => one.id === item.id);
      if (at >= 0) kept[at] = item;
    },
    remove: async (gone: number) => void kept.splice(kept.findIndex((item) => item.id === gone), 1),
    settle: async (item: Item) => storage.remove(item.id!),
  };
  let tail = Promise.resolve();
  const outbox = new Outbox(
    storage,
    {
      send: async (item) => {
        world.sent.push(item.uid);
        return answers.shift() ?? { status: 200, body: {} };
      },
      online: () => world.online,
      now: () => world.now,
      lock: (_name, work) => (tail = tail.then(work)),
    },
    (settled) => settled && world.settled.push(settled),
  );
  const add = (uid: string) => outbox.add({ uid, service: "neuros", path: "/", body: {}, label: uid });
  return { outbox, world, kept, add };
}

describe("the queue", () => {
  it("sends in order and keeps nothing that was taken", async () => {
    const { outbox, world, kept, add } = setUp([]);
    await Promise.all([add("a"), add("b"), add("c")]);
    await outbox.flush("neuros");
    expect(world.sent).toEqual(["a", "b", "c"]);
    expect(kept).toEqual([]);
  });

  it("does not bring back what was removed while it was on its way", async () => {
    const { outbox, kept, add } = setUp([{ status: 503, body: {} }]);
    const sent = add("a");
    await sent;
    await outbox.remove(kept[0]!);
    await outbox.flush("neuros");
    expect(kept).toEqual([]);
  });

  it("keeps everything while offline and sends it once afterwards", async () => {
    const { outbox, world, kept, add } = setUp([]);
    world.online = false;
    await add("a");
    await add("b");
    await outbox.flush("neuros");
    expect(world.sent).toEqual([]);
    expect(kept.map((item) => item.state)).toEqual(["waiting", "waiting"]);
    world.online = true;
    await Promise.all([outbox.flush("neuros"), outbox.flush("neuros", true), outbox.flush("neuros")]);
    expect(world.sent).toEqual(["a", "b"]);
  });

  it("lets nothing overtake an item that the network lost", async () => {
    const { outbox, world, kept, add } = setUp([{ status: 0, body: undefined }]);
    world.online = false;
    await add("a");
    await add("b");
    await outbox.flush("neuros");
    world.online = true;
    await outbox.flush("neuros");
    expect(world.sent).toEqual(["a"]);
    expect(kept).toHaveLength(2);
    await outbox.flush("neuros");
    expect(world.sent).toEqual(["a", "a", "b"]);
  });

  it("pauses after a 5xx until the pause is over or the user asks", async () => {
    const { outbox, world, kept, add } = setUp([{ status: 503, body: { detail: "no model" } }, { status: 503, body: {} }]);
    await add("a");
    await outbox.flush("neuros");
    await outbox.flush("neuros");
    expect(world.sent).toEqual(["a"]);
    expect(kept[0]?.error).toContain("503: no model");
    world.now += 5000;
    await outbox.flush("neuros");
    expect(world.sent).toEqual(["a", "a"]);
    await outbox.retry(kept[0]!);
    expect(kept).toEqual([]);
  });

  it("shows a refused item as failed and goes on", async () => {
    const { outbox, world, kept, add } = setUp([{ status: 422, body: {} }]);
    await Promise.all([add("a"), add("b")]);
    await outbox.flush("neuros");
    expect(world.sent).toEqual(["a", "b"]);
    expect(kept.map((item) => [item.uid, item.state])).toEqual([["a", "failed"]]);
  });

  it("finds what an earlier page left behind", async () => {
    const left: Item = { id: 9, uid: "old", service: "neuros", path: "/", body: {}, label: "", at: 1, state: "waiting", attempts: 0, notBefore: 0 };
    const { outbox, world } = setUp([], [left]);
    await outbox.flush("neuros");
    expect(world.sent).toEqual(["old"]);
  });
});

describe("answers", () => {
  it.each([
    [200, {}, "done"],
    [200, undefined, "later"],
    [0, undefined, "later"],
    [401, {}, "failed"],
    [422, {}, "failed"],
    [408, {}, "later"],
    [429, {}, "later"],
    [502, undefined, "later"],
  ])("%i %o is %s", (status, body, outcome) => expect(outcomeOf({ status, body })).toBe(outcome));

  it("tells a missing signature in one sentence", () => {
    expect(explain("biometric", { status: 401, body: { detail: "X" } })).toBe("The bridge takes signed readings only, and a browser cannot sign (401).");
  });

  it("pauses longer each time, two minutes at most", () => expect([1, 2, 3, 20].map(pause)).toEqual([5000, 10000, 20000, 120000]));
});
