// One gate or converter: its state, its picture, and what one opens when something is wrong.

import { h } from "./dom.js";
import { charts, flow } from "./flow.js";
import { clock, count, many, since, span } from "./words.js";

/** Reasons with all their examples; the others show one. */
const IN_FULL = 3;

const STATES = { running: "Running", degraded: "Something waits", starting: "Starting", stopped: "Stopped" };

export function gate(gate, history, seconds, now) {
  const id = `gate-${gate.name}`;
  return h("section", { key: id, id, class: `gate ${gate.state}`, "aria-labelledby": `${id}-name` },
    h("header", null,
      h("h2", { id: `${id}-name` }, gate.name),
      h("span", { class: "kind" }, gate.kind),
      h("span", { class: `state ${gate.state}` }, STATES[gate.state] ?? gate.state),
      h("span", { class: "partitions" }, partitionsInShort(gate))),
    flow(gate),
    charts(gate, history, seconds),
    reasons(gate, now),
    schemas(gate),
    partitions(gate, now));
}

function partitionsInShort(gate) {
  const held = gate.held_partitions ? `, ${count(gate.held_partitions)} held` : "";
  return gate.assigned_partitions ? `${many(gate.assigned_partitions, "partition")}${held}` : "no partitions here";
}

function reasons(gate, now) {
  if (!gate.reasons.length) return null;
  const bad = gate.reasons.reduce((sum, reason) => sum + reason.records, 0);
  return h("details", { key: "reasons", openAtFirst: true },
    h("summary", null, "Reasons", h("span", { class: "count" }, `${many(bad, "record")} since start`)),
    h("ul", { class: "reasons" }, gate.reasons.map((one, index) => reason(one, index < IN_FULL ? one.examples : one.examples.slice(0, 1), now))));
}

function reason(reason, examples, now) {
  const elsewhere = reason.outcome === "dead_letter" ? null : h("span", { class: "kind" }, reason.outcome);
  return h("li", { key: `${reason.outcome} ${reason.reason}` },
    h("p", { class: "meaning" }, sentence(reason.meaning), " ", h("code", null, reason.reason), " ", elsewhere),
    h("p", { class: "when" }, h("b", null, count(reason.records)),
      reason.since && ` since ${since(reason.since, now)}; last ${span((now - new Date(reason.last)) / 1000)} ago`),
    examples.length > 0 && h("ul", { class: "examples", "aria-label": "Examples" }, examples.map(example)));
}

function example(example) {
  const place = `${example.topic}-${example.partition} at ${example.offset}`;
  const version = example.version === null ? "" : ` version ${example.version}`;
  const schema = example.subject ? `${example.subject}${version}` : example.schema && `schema ${example.schema}`;
  return h("li", { key: place },
    h("code", { class: "place" }, place),
    h("span", { class: "what" },
      example.path ? h("code", null, example.path) : example.part, ": ", example.detail),
    schema && h("span", { class: "schema" }, schema));
}

function schemas(gate) {
  if (!gate.schemas.length) return null;
  const columns = ["Subject", "Version", "Schema", "Records", "Dead letters"];
  return h("details", { key: "schemas" },
    h("summary", null, "Schemas in use", h("span", { class: "count" }, count(gate.schemas.length))),
    h("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": `Schemas in use of ${gate.name}` },
      h("table", { class: "list" },
        h("thead", null, h("tr", null, columns.map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", null, gate.schemas.map((one) => h("tr", { key: `${one.part} ${one.subject} ${one.schema}`, class: one.dead_letters ? "bad" : "good" },
          h("th", { scope: "row" }, h("code", null, one.subject ?? "no subject"), one.part === "key" && " (key)"),
          h("td", null, one.version ?? "–"),
          h("td", null, one.schema),
          h("td", null, count(one.records)),
          h("td", { class: "dead" }, count(one.dead_letters))))))));
}

function partitions(gate, now) {
  if (!gate.partitions.length) return null;
  const rest = gate.assigned_partitions - gate.partitions.length;
  const columns = ["Partition", "Next offset", "Lag", "State"];
  return h("details", { key: "partitions" },
    h("summary", null, "Partitions", h("span", { class: "count" }, partitionsInShort(gate))),
    h("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": `Partitions of ${gate.name}` },
      h("table", { class: "list" },
        h("thead", null, h("tr", null, columns.map((name) => h("th", { scope: "col", class: name === "State" ? "text-head" : "" }, name)))),
        h("tbody", null, gate.partitions.map((one) => partition(one, now))))),
    rest > 0 && h("p", { class: "note" }, `${count(rest)} more wait for nothing and have less lag; /status lists all.`));
}

function partition(partition, now) {
  const name = `${partition.topic}-${partition.partition}`;
  return h("tr", { key: name, class: partition.held ? "held" : "moves" },
    h("th", { scope: "row" }, h("code", null, name)),
    h("td", null, partition.committed === null ? "–" : count(partition.committed)),
    h("td", null, partition.lag === null ? "–" : count(partition.lag)),
    h("td", { class: "text" }, partition.held
      ? [h("code", null, partition.held), ` since ${clock(partition.held_since)}${rest(partition.held_until, now)}`]
      : "moves"));
}

function rest(until, now) {
  return until ? `, ${span((new Date(until) - now) / 1000)} left` : "";
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
