/** What nginx serves at /config.json; every key is optional there. */
export interface Config {
  title: string;
  user_id: string;
  device: string;
  poll_seconds: number;
  metrics: string[];
}

export const DEFAULTS: Config = {
  title: "AUREN",
  user_id: "me",
  device: "oura",
  poll_seconds: 5,
  metrics: ["readiness_score", "hrv_balance"],
};

/** The usable keys of `raw` over the defaults; a wrong value never stops the page. */
export function parseConfig(raw: unknown): Config {
  const given = (typeof raw === "object" && raw !== null ? raw : {}) as Record<string, unknown>;
  const text = (key: "title" | "user_id" | "device") => {
    const value = given[key];
    return typeof value === "string" && value.trim() ? value.trim() : DEFAULTS[key];
  };
  const seconds = given["poll_seconds"];
  const metrics = given["metrics"];
  const names = Array.isArray(metrics) ? metrics.filter((name): name is string => typeof name === "string" && name !== "") : [];
  return {
    title: text("title"),
    user_id: text("user_id"),
    device: text("device"),
    poll_seconds: typeof seconds === "number" && seconds >= 1 ? seconds : DEFAULTS.poll_seconds,
    metrics: names.length ? [...new Set(names)] : DEFAULTS.metrics,
  };
}

export async function loadConfig(): Promise<Config> {
  try {
    const response = await fetch("/config.json", { cache: "no-store" });
    return parseConfig(response.ok ? await response.json() : {});
  } catch {
    return DEFAULTS;
  }
}
