import type { App } from "../app";
import { chart } from "../chart";
import { labelOf } from "../devices";
import { clock, every, h, say } from "../dom";
import type { Point } from "../history";
import type { Readings } from "../readings";
import { heading, type Page } from "../router";

const KINDS = { sent: "sent from this browser", derived: "worked out from the baseline", baseline: "baseline" };
// As many as a phone's width can show apart.
const SHOWN = 40;

export function bodyPage(app: App, readings: Readings): Page {
  const mode = h("p", { id: "mode", class: "value" }, "–");
  const reason = h("p", { class: "note" });
  const updated = h("p", { id: "updated", class: "note" }, "Not updated yet");
  const cards = app.config.metrics.map(metricCard);
  const render = () => {
    say(mode, readings.mode ? labelOf(readings.mode.mode) : "–");
    say(reason, modeNote(readings));
    const time = readings.updated ? `Last updated ${clock(readings.updated)}.` : "Not updated yet.";
    say(updated, [time, readings.problem].filter(Boolean).join(" "));
    for (const card of cards) card.render(readings);
  };
  const polling = every(app.config.poll_seconds, () => readings.poll().then(render));
  const content = h("div", { hidden: true });
  // Shown once what is known is in place, so that nothing jumps.
  void readings.load().then(() => {
    render();
    content.hidden = false;
  });
  const refresh = () => void readings.poll(true).then(render);
  const forget = () => void readings.forget().then(render);
  content.append(
    h("div", { class: "bar" }, updated, h("button", { type: "button", id: "refresh", click: refresh }, "Refresh")),
    h("section", { class: "card", "aria-labelledby": "mode-title" }, h("h2", { id: "mode-title" }, "Mode"), mode, reason),
    ...cards.map((card) => card.element),
    h("p", { class: "note" }, "The charts show what this browser has seen: readings sent from here, and each change of a baseline while this page was open."),
    h("div", { class: "actions" }, h("button", { type: "button", id: "forget", click: forget }, "Forget readings and chat in this browser")),
  );
  return { title: "Body", element: h("div", { class: "page" }, heading("Your body"), content), stop: polling.stop };
}

function modeNote({ mode }: Readings): string {
  if (!mode?.switched_at) return "No reading has set a mode yet.";
  return `Since ${clock(Date.parse(mode.switched_at))}${mode.reason ? `: ${mode.reason.replaceAll("_", " ")}` : ""}`;
}

function metricCard(metric: string) {
  const value = h("p", { class: "value", "data-metric": metric }, "–");
  const source = h("p", { class: "note" });
  const baseline = h("p", { class: "note" });
  const drawing = h("div");
  const rows = h("tbody");
  const head = h("thead", {}, h("tr", {}, ...["Time", "Value", "Source"].map((name) => h("th", { scope: "col" }, name))));
  const table = h("details", { hidden: true }, h("summary", {}, "Values as a table"), h("table", {}, head, rows));
  const id = `metric-${metric}`;
  let signature = "";
  const render = (readings: Readings) => {
    const points = readings.of(metric);
    const latest = points.at(-1);
    const known = readings.baselines.get(metric);
    say(value, latest ? number(latest.value) : "–");
    say(source, latest ? `${KINDS[latest.kind]}, ${clock(latest.at)}` : "No reading yet.");
    say(baseline, known ? `Baseline ${number(known.baseline_value)} over ${count(known.sample_count)}` : "");
    if (signature === (signature = JSON.stringify(points))) return;
    const recent = points.slice(-SHOWN);
    drawing.replaceChildren(...(recent.length > 1 ? [chart(recent, summary(metric, recent)), h("p", { class: "note" }, span(recent))] : []));
    rows.replaceChildren(...recent.toReversed().map(row));
    table.hidden = recent.length === 0;
  };
  const element = h("section", { class: "card", "aria-labelledby": id }, h("h2", { id }, labelOf(metric)), value, source, baseline, drawing, table);
  return { element, render };
}

function row(point: Point): HTMLElement {
  return h("tr", {}, h("td", {}, clock(point.at)), h("td", {}, number(point.value)), h("td", {}, KINDS[point.kind]));
}

function summary(metric: string, points: Point[]): string {
  return `${labelOf(metric)}: ${points.length} values, the latest ${number(points.at(-1)!.value)}. The table below holds them all.`;
}

/** The scale of the drawing in words. */
function span(points: Point[]): string {
  const values = points.map((point) => point.value);
  return `${number(Math.min(...values))} to ${number(Math.max(...values))}, ${clock(points[0]!.at)} to ${clock(points.at(-1)!.at)}`;
}

function number(value: number): string {
  return String(Math.round(value * 100) / 100);
}

function count(readings: number): string {
  return readings === 1 ? "1 reading" : `${readings} readings`;
}
