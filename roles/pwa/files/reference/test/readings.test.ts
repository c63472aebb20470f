import { describe, expect, it } from "vitest";
import { readHealth } from "../src/api";
import { scale } from "../src/chart";
import { DEFAULTS, parseConfig } from "../src/config";
import { check, DEVICES, labelOf } from "../src/devices";
import { derive, observe, type Point } from "../src/history";

const baseline = (baseline_value: number, sample_count: number) => ({ baseline_value, sample_count, updated_at: "2026-01-01T00:00:00Z" });
const sent = (value: number, at = 1): Point => ({ id: at, user: "me", metric: "m", at, value, kind: "sent" });

describe("history", () => {
  it("works out the one reading behind a change", () => {
    expect(derive(undefined, baseline(85, 1))).toBe(85);
    expect(derive(baseline(80, 3), baseline(82.5, 4))).toBe(90);
    expect(derive(baseline(80, 99), baseline(81, 100))).toBe(110);
    expect(derive(baseline(80, 3), baseline(82, 5))).toBeUndefined();
  });

  it("adds a reading from elsewhere, and none that this browser sent", () => {
    expect(observe("me", "m", baseline(80, 3), baseline(82.5, 4), []).added).toMatchObject({ value: 90, kind: "derived" });
    expect(observe("me", "m", baseline(80, 3), baseline(82.5, 4), [sent(90)])).toEqual({ counted: [sent(90)], added: undefined });
    expect(observe("me", "m", baseline(80, 3), baseline(80, 3), [sent(90)])).toEqual({ counted: [], added: undefined });
  });

  it("falls back on the mean where several readings came at once", () => {
    expect(observe("me", "m", undefined, baseline(80, 3), []).added).toMatchObject({ value: 80, kind: "baseline" });
    expect(observe("me", "m", baseline(80, 3), baseline(82, 5), [sent(84, 1), sent(86, 2)]).added).toBeUndefined();
  });
});

describe("chart", () => {
  it("spans the frame", () => {
    const { dots, low, high } = scale([{ at: 0, value: 10 }, { at: 5, value: 20 }, { at: 10, value: 30 }], 100, 50, 5);
    expect([low, high]).toEqual([10, 30]);
    expect(dots).toEqual([{ x: 5, y: 45 }, { x: 50, y: 25 }, { x: 95, y: 5 }]);
  });

  it("puts equal values and a single one in the middle", () => {
    expect(scale([{ at: 3, value: 7 }], 100, 50, 5).dots).toEqual([{ x: 50, y: 25 }]);
    expect(scale([{ at: 0, value: 7 }, { at: 1, value: 7 }], 100, 50, 5).dots.map((dot) => dot.y)).toEqual([25, 25]);
  });
});

describe("settings", () => {
  it("takes what is usable and defaults for the rest", () => {
    expect(parseConfig(null)).toEqual(DEFAULTS);
    expect(parseConfig({ user_id: " ann ", poll_seconds: 0, metrics: ["a", 1, "a"] })).toEqual({ ...DEFAULTS, user_id: "ann", metrics: ["a"] });
  });
});

describe("devices", () => {
  it("dates each body where its vendor does", () => {
    expect(DEVICES["oura"]!.body({ score: 85 }, "T")).toEqual({ event_type: "readiness.updated", data: { score: 85, timestamp: "T" } });
    expect(DEVICES["apple_health"]!.body({ HeartRate: 60 }, "T")).toEqual({
      samples: [{ type: "HKQuantityTypeIdentifierHeartRate", value: 60, unit: "count/min", startDate: "T" }],
    });
  });

  it("checks what was typed", () => {
    const field = DEVICES["oura"]!.fields[0]!;
    expect([check(field, "85"), check(field, " "), check(field, "101")]).toEqual([85, undefined, "Readiness score is a number from 0 to 100."]);
  });

  it("names metrics", () => expect([labelOf("hrv_balance"), labelOf("readiness_score")]).toEqual(["HRV balance", "Readiness score"]));
});

describe("health", () => {
  it("believes the verdict, not the status", () => {
    expect(readHealth("biometric", 200, { healthy: false, components: { redis: "unhealthy" } })).toEqual({ ok: false, detail: "redis" });
    expect(readHealth("biometric", 200, { healthy: true, components: { kafka_consumer: "not_used" } }).ok).toBe(true);
    expect(readHealth("neuros", 200, { status: "healthy" }).ok).toBe(true);
    expect(readHealth("neuros", 200, undefined).ok).toBe(false);
  });
});
