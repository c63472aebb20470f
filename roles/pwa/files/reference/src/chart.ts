import { svg } from "./dom";

export interface Sample {
  at: number;
  value: number;
}

export interface Scale {
  low: number;
  high: number;
  dots: { x: number; y: number }[];
}

const WIDTH = 320;
const HEIGHT = 96;
const EDGE = 8;

/** Where each sample lies within the frame. Equal values make a line in the middle, one sample a dot there. */
export function scale(samples: Sample[], width = WIDTH, height = HEIGHT, edge = EDGE): Scale {
  const values = samples.map((sample) => sample.value);
  const times = samples.map((sample) => sample.at);
  const low = Math.min(...values);
  const high = Math.max(...values);
  const dots = samples.map(({ at, value }) => ({
    x: edge + share(at, Math.min(...times), Math.max(...times)) * (width - 2 * edge),
    y: height - edge - share(value, low, high) * (height - 2 * edge),
  }));
  return { low, high, dots };
}

function share(value: number, low: number, high: number): number {
  return high > low ? (value - low) / (high - low) : 0.5;
}

/** A line through the samples; the table beside it holds the same numbers, so the drawing itself needs only a summary. */
export function chart(samples: Sample[], summary: string): SVGElement {
  const { dots } = scale(samples);
  const points = dots.map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
  return svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": summary, class: "chart" },
    svg("polyline", { points, class: "line" }),
    ...dots.map(({ x, y }) => svg("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: "3.5" })),
  );
}
