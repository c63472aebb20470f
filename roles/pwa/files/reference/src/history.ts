// What this browser has seen of a metric. There is no history to ask for: the bridge tells a baseline and how many readings made it.
import type { Baseline } from "./api";

export interface Point {
  id?: number;
  user: string;
  metric: string;
  at: number;
  value: number;
  /** sent: by this browser; derived: worked out from a change of the baseline; baseline: the mean itself, where no single value is known. */
  kind: "sent" | "derived" | "baseline";
  /** A sent reading that the baseline has since taken in. */
  counted?: boolean;
}

// From the thirtieth reading on, each moves the baseline by a thirtieth of its distance.
const WINDOW = 30;

/** The one reading that turned `before` into `after`; undefined when it was not exactly one. */
export function derive(before: Baseline | undefined, after: Baseline): number | undefined {
  if (after.sample_count === 1) return after.baseline_value;
  if (!before || after.sample_count !== before.sample_count + 1) return undefined;
  const weight = Math.min(after.sample_count, WINDOW);
  const value = before.baseline_value + (after.baseline_value - before.baseline_value) * weight;
  return Math.round(value * 1000) / 1000;
}

export interface Change {
  counted: Point[];
  added: Point | undefined;
}

/** What a new baseline says beyond `points`: own readings that it has taken in, or a reading that came from elsewhere. */
export function observe(user: string, metric: string, before: Baseline | undefined, after: Baseline, points: Point[]): Change {
  const grown = after.sample_count - (before?.sample_count ?? 0);
  if (before && grown <= 0) return { counted: [], added: undefined };
  const own = points.filter((point) => point.kind === "sent" && !point.counted);
  const value = derive(before, after);
  if (value === undefined) {
    // Own readings say more than the mean does; at first sight nobody knows how many of them it holds.
    if (own.length >= grown || (!before && own.length)) return { counted: own.slice(0, grown), added: undefined };
    return { counted: own, added: { user, metric, at: Date.parse(after.updated_at), value: after.baseline_value, kind: "baseline" } };
  }
  const same = own.find((point) => Math.abs(point.value - value) < 0.01);
  if (same) return { counted: [same], added: undefined };
  return { counted: [], added: { user, metric, at: Date.parse(after.updated_at), value, kind: "derived" } };
}

/** Oldest first. */
export function ofMetric(points: Point[], user: string, metric: string): Point[] {
  return points.filter((point) => point.user === user && point.metric === metric).sort((a, b) => a.at - b.at);
}
