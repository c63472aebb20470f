// Asks the bridge for the user's mode and baselines.
import { baseline, mode, type Baseline, type Mode } from "./api";
import type { Config } from "./config";
import * as db from "./db";
import { observe, ofMetric, type Point } from "./history";

// How often a metric without a baseline is asked for. Browsers log each 404 as an error, so one that is not known to
// exist is not asked for at once: the mode, which answers 200 for everybody, tells first whether the user has readings.
const PROBE = 15_000;

export class Readings {
  mode: Mode | undefined;
  updated: number | undefined;
  problem = "";
  points: Point[] = [];
  readonly baselines = new Map<string, Baseline>();
  private readonly asked = new Map<string, number>();
  private readonly user: string;

  constructor(private readonly config: Config) {
    this.user = config.user_id;
    for (const metric of config.metrics) this.asked.set(metric, Date.now());
  }

  /** What this browser knew last: shown until the bridge answers, and while it does not. */
  async load(): Promise<void> {
    this.points = await db.all("points");
    this.mode ??= await db.recall<Mode>(`mode/${this.user}`);
    this.updated ??= await db.recall<number>(`updated/${this.user}`);
    for (const metric of this.config.metrics) {
      const known = await db.recall<Baseline>(this.key(metric));
      if (known) this.baselines.set(metric, known);
    }
  }

  /** `all` asks for every metric, also for those that had no baseline a moment ago. */
  async poll(all = false): Promise<void> {
    if (!navigator.onLine) {
      this.problem = "Offline: these are the last known values.";
      return;
    }
    this.problem = "";
    await this.pollMode();
    this.points = await db.all("points");
    await Promise.all(this.config.metrics.filter((metric) => all || this.due(metric)).map((metric) => this.pollBaseline(metric)));
    this.points = await db.all("points");
    if (this.problem) return;
    this.updated = Date.now();
    await db.keep(`updated/${this.user}`, this.updated);
  }

  async forget(): Promise<void> {
    await db.forget();
    this.baselines.clear();
    this.points = [];
    this.mode = this.updated = undefined;
  }

  of(metric: string): Point[] {
    return ofMetric(this.points, this.user, metric);
  }

  private due(metric: string): boolean {
    const awaited = this.of(metric).some((point) => point.kind === "sent" && !point.counted);
    return this.baselines.has(metric) || awaited || Date.now() - (this.asked.get(metric) ?? 0) >= PROBE;
  }

  private async pollMode(): Promise<void> {
    const { status, body } = await mode(this.user);
    if (status !== 200) return this.fail(status);
    const now = body as Mode;
    // A switch means that a reading came in: a metric may have its first one.
    if (now.switched_at !== (this.mode?.switched_at ?? null)) this.asked.clear();
    this.mode = now;
    await db.keep(`mode/${this.user}`, now);
  }

  private async pollBaseline(metric: string): Promise<void> {
    this.asked.set(metric, Date.now());
    const { status, body } = await baseline(this.user, metric);
    if (status === 404) this.baselines.delete(metric);
    else if (status !== 200) this.fail(status);
    else await this.take(metric, body as Baseline);
  }

  private async take(metric: string, after: Baseline): Promise<void> {
    // From disk, because another window may have seen this change already.
    const before = await db.recall<Baseline>(this.key(metric));
    const { counted, added } = observe(this.user, metric, before, after, this.of(metric));
    this.baselines.set(metric, after);
    await db.keep(this.key(metric), after);
    for (const point of counted) await db.put("points", { ...point, counted: true });
    if (added) await db.put("points", added);
  }

  private fail(status: number): void {
    this.problem = `The bridge does not answer${status ? ` (${status})` : ""}: these are the last known values.`;
  }

  private key(metric: string): string {
    return `baseline/${this.user}/${metric}`;
  }
}
