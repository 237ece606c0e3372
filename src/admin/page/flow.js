// The picture of a gate: how its records part, as wide as their shares; and the last ten minutes as small charts.

import { h } from "./dom.js";
import { count, rate, share } from "./words.js";

const ROW = 58;
const THICK = 44;
const NAMES = {
  validated: "Validated",
  converted: "Converted",
  converter: "To converter",
  dead_letter: "Dead letters",
  dropped: "Dropped by policy",
  skipped: "Skipped, written by the pair",
};

/** The outcomes that a gate has, or has had. */
function outcomes(gate) {
  const records = {};
  for (const { outcome, records: some } of gate.outcomes) records[outcome] = (records[outcome] ?? 0) + some;
  const topics = {};
  for (const { outcome, topic } of gate.outputs) (topics[outcome] ??= []).push(topic);
  if (gate.kind === "converter") topics.converted ??= topics.validated;
  const is = (outcome) => records[outcome] > 0 || (topics[outcome] && (outcome !== "converted" || gate.kind === "converter"));
  return Object.keys(NAMES).filter(is).map((outcome) => ({
    outcome,
    name: outcome === "validated" && gate.kind === "converter" ? "Passed" : NAMES[outcome],
    topics: topics[outcome] ?? topics.validated ?? [],
    records: records[outcome] ?? 0,
    rate: gate.rates.outcomes[outcome] ?? 0,
  }));
}

export function flow(gate) {
  const rows = outcomes(gate);
  return h("div", { class: "flow" },
    h("div", { class: "source" },
      h("span", { class: "label" }, "Reads"),
      h("span", { class: "topics" }, topics([...gate.sources])),
      h("span", { class: "rate" }, rate(gate.rates.records), h("small", null, " records/s"))),
    ribbons(rows, gate.rates.records),
    h("table", { class: "outcomes" },
      h("thead", { class: "unseen" }, h("tr", null,
        ["Outcome", "Records per second", "Share", "Since the start"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", null, rows.map((row) => outcome(row, gate.rates.records)))));
}

function outcome(row, all) {
  return h("tr", { key: row.outcome, class: row.rate > 0 ? `${row.outcome} some` : row.outcome },
    h("th", { scope: "row" }, row.name, h("span", { class: "topics" }, topics(row.topics))),
    h("td", { class: "rate" }, rate(row.rate), h("small", null, "/s")),
    h("td", { class: "share" }, share(row.rate, all)),
    h("td", { class: "total" }, count(row.records), h("small", null, " since start")));
}

function topics(names) {
  return names.length > 3 ? `${names.slice(0, 2).join(", ")} and ${names.length - 2} more` : names.join(", ");
}

/** Bands from the one source to each outcome, which end at the middle of its row. */
function ribbons(rows, all) {
  const height = rows.length * ROW;
  const thick = (row) => (row.rate > 0 ? Math.max((row.rate / all) * THICK, 1.5) : 0);
  const sum = rows.reduce((sum, row) => sum + thick(row), 0);
  let from = height / 2 - sum / 2;
  const bands = rows.map((row, index) => {
    const to = (index + 0.5) * ROW;
    const width = thick(row);
    if (width === 0) {
      const line = `M0 ${height / 2}C50 ${height / 2} 50 ${to} 100 ${to}`;
      return h("path", { key: row.outcome, class: "none", d: line, "vector-effect": "non-scaling-stroke" });
    }
    const [a, b, c, d] = [from, from + width, to - width / 2, to + width / 2].map((y) => y.toFixed(2));
    from += width;
    const area = `M0 ${a}C50 ${a} 50 ${c} 100 ${c}V${d}C50 ${d} 50 ${b} 0 ${b}Z`;
    return h("path", { key: row.outcome, class: row.outcome, d: area });
  });
  // The table beside it says the same.
  return h("svg", { class: "ribbons", viewBox: `0 0 100 ${height}`, height, preserveAspectRatio: "none", "aria-hidden": "true" }, bands);
}

/** Throughput, dead letters and lag: now, and in the last ten minutes. */
export function charts(gate, history, seconds) {
  const chart = history ?? { good: [], diverted: [], bad: [], lag: [] };
  const per = (records) => records / seconds;
  const all = chart.good.map((good, index) => per(good + chart.diverted[index] + chart.bad[index]));
  const bad = chart.bad.map(per);
  return h("div", { class: "charts" },
    tile("Records/s", rate(gate.rates.records), all, rate, "all"),
    tile("Dead letters/s", rate(gate.rates.outcomes.dead_letter ?? 0), bad, rate, "bad"),
    tile("Lag, records", count(gate.lag), chart.lag, count, "lag"));
}

const BARS = 120;

function tile(name, now, values, words, kind) {
  const most = Math.max(0, ...values);
  const first = BARS - values.length;
  const bar = (value, index) => {
    const high = value > 0 ? Math.max((value / most) * 30, 1.5) : 0;
    return high ? `M${first + index} 32v${-high.toFixed(2)}h0.8v${high.toFixed(2)}Z` : "";
  };
  return h("figure", { key: kind, class: most > 0 ? kind : `${kind} quiet` },
    h("figcaption", null, h("span", { class: "label" }, name), h("span", { class: "now" }, now)),
    h("svg", { viewBox: `0 0 ${BARS} 32`, height: 32, preserveAspectRatio: "none", "aria-hidden": "true" },
      h("path", { class: "base", d: `M0 31.5H${BARS}`, "vector-effect": "non-scaling-stroke" }),
      h("path", { class: "bars", d: values.map(bar).join("") })),
    h("span", { class: "most" }, most > 0 ? `at most ${words(most)} in 10 min` : "none in 10 min"));
}
