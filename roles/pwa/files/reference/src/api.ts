/** An answer of NEUROS or the bridge; `status` 0 means that none came. */
export interface Answer {
  status: number;
  body: unknown;
}

export type Service = "neuros" | "biometric";

export interface Analysis {
  response: string;
  weak_signals_detected?: string[];
  data_quality?: string;
  notice?: string | null;
}

export interface Receipt {
  events_processed: number;
  events_rejected?: number;
  events: { metric_type: string; value: number; timestamp: string }[];
}

export interface Baseline {
  baseline_value: number;
  sample_count: number;
  updated_at: string;
}

export interface Mode {
  mode: string;
  reason: string | null;
  switched_at: string | null;
}

const QUICK = 10_000;

/** Never throws: a lost connection, a timeout and an answer that is not JSON are answers too. */
export async function call(path: string, body?: unknown, timeout = QUICK): Promise<Answer> {
  const init: RequestInit = { cache: "no-store", signal: AbortSignal.timeout(timeout) };
  if (body !== undefined) {
    init.method = "POST";
    init.headers = { "Content-Type": "application/json" };
    init.body = JSON.stringify(body);
  }
  try {
    const response = await fetch(path, init);
    return { status: response.status, body: await jsonOf(response) };
  } catch {
    return { status: 0, body: undefined };
  }
}

async function jsonOf(response: Response): Promise<unknown> {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function baseline(user: string, metric: string): Promise<Answer> {
  return call(`/api/biometric/baselines/${encodeURIComponent(user)}/${encodeURIComponent(metric)}`);
}

export function mode(user: string): Promise<Answer> {
  return call(`/api/biometric/mode/${encodeURIComponent(user)}`);
}

export interface Health {
  ok: boolean;
  detail: string;
}

export async function health(service: Service): Promise<Health> {
  const { status, body } = await call(`/api/${service}/health`);
  return readHealth(service, status, body);
}

/** The bridge answers 200 whatever it found: the verdict is in `healthy`. */
export function readHealth(service: Service, status: number, body: unknown): Health {
  const report = isObject(body) ? body : {};
  const verdict = report["healthy"] === true || (service === "neuros" && report["healthy"] === undefined && report["status"] === "healthy");
  const components = isObject(report["components"]) ? report["components"] : {};
  const broken = Object.keys(components).filter((name) => !["healthy", "not_used"].includes(String(components[name])));
  return { ok: status === 200 && verdict, detail: broken.join(", ").replaceAll("_", " ") };
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
