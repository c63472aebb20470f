// The readings that the form can send, in the shapes of the vendors' own webhooks.

export interface Field {
  name: string;
  label: string;
  unit: string;
  min: number;
  max: number;
}

export interface Device {
  name: string;
  fields: Field[];
  body(values: Record<string, number>, at: string): Record<string, unknown>;
}

const APPLE_UNITS: Record<string, string> = { HeartRate: "count/min", RestingHeartRate: "count/min", HeartRateVariabilitySDNN: "ms" };

export const DEVICES: Record<string, Device> = {
  oura: {
    name: "Oura",
    fields: [
      { name: "score", label: "Readiness score", unit: "0–100", min: 0, max: 100 },
      { name: "hrv_balance", label: "HRV balance", unit: "0–100", min: 0, max: 100 },
    ],
    body: (values, timestamp) => ({ event_type: "readiness.updated", data: { ...values, timestamp } }),
  },
  whoop: {
    name: "WHOOP",
    fields: [
      { name: "recovery_score", label: "Recovery score", unit: "0–100 %", min: 0, max: 100 },
      { name: "hrv_rmssd_milli", label: "HRV (RMSSD)", unit: "ms", min: 1, max: 400 },
      { name: "resting_heart_rate", label: "Resting heart rate", unit: "beats a minute", min: 20, max: 250 },
    ],
    body: (values, timestamp) => ({ event_type: "recovery.updated", data: { ...values, timestamp } }),
  },
  apple_health: {
    name: "Apple Health",
    fields: [
      { name: "HeartRate", label: "Heart rate", unit: "beats a minute", min: 20, max: 250 },
      { name: "RestingHeartRate", label: "Resting heart rate", unit: "beats a minute", min: 20, max: 250 },
      { name: "HeartRateVariabilitySDNN", label: "HRV (SDNN)", unit: "ms", min: 1, max: 400 },
    ],
    body: (values, startDate) => ({
      samples: Object.entries(values).map(([name, value]) => ({
        type: `HKQuantityTypeIdentifier${name}`,
        value,
        unit: APPLE_UNITS[name],
        startDate,
      })),
    }),
  },
};

/** The number that was typed, nothing for an empty field, or what is wrong with it. */
export function check(field: Field, typed: string): number | undefined | string {
  if (typed.trim() === "") return undefined;
  const value = Number(typed);
  if (Number.isFinite(value) && value >= field.min && value <= field.max) return value;
  return `${field.label} is a number from ${field.min} to ${field.max}.`;
}

/** `hrv_balance` → `HRV balance`. */
export function labelOf(metric: string): string {
  const words = metric.replaceAll("_", " ").replace(/\b(hrv|spo2|rmssd|sdnn)\b/g, (word) => word.toUpperCase());
  return words.charAt(0).toUpperCase() + words.slice(1);
}
