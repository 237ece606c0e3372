// The page: what the server says, each second, and how sure one may be that it still holds.

import { h, patch } from "./dom.js";
import { gate } from "./gate.js";
import { jobs } from "./jobs.js";
import { clock, count, many, rate, share, since, span } from "./words.js";

/** Without news for so long the page says that it is old. */
const STALE_MS = 4000;
const EVENTS = 12;

let status = null;
let history = { interval_seconds: 5, gates: {} };
let arrived = 0;
let source = null;

/** The server's time: clocks of browsers may be wrong. */
function now() {
  return new Date(status.now).getTime() + (performance.now() - arrived);
}

function isStale() {
  return performance.now() - arrived > STALE_MS;
}

function place(id) {
  return document.getElementById(id);
}

function follow() {
  source?.close();
  const here = new URL("status/stream", document.baseURI);
  here.username = here.password = "";
  source = new EventSource(here);
  source.addEventListener("status", (event) => {
    status = JSON.parse(event.data);
    arrived = performance.now();
    render();
  });
  source.addEventListener("history", (event) => {
    history = JSON.parse(event.data);
  });
  source.addEventListener("error", () => {
    // A browser comes back by itself to a stream that has ended, not to one that was refused.
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 3000);
  });
}

function render() {
  const problems = status.problems;
  document.documentElement.dataset.stale = isStale();
  document.title = `${problems.length ? `${many(problems.length, "problem")} · ` : ""}${status.application || "registry"} · Sluice`;
  patch(place("bar"), bar());
  patch(place("verdict"), verdict(problems));
  patch(place("problems"), problems.map(problem));
  const trouble = (name) => problems.some((problem) => problem.gate === name);
  const gates = [...status.gates].sort((a, b) => trouble(b.name) - trouble(a.name));
  patch(place("gates"), gates.map((one) => gate(one, history.gates[one.name], history.interval_seconds, now())));
  patch(place("jobs"), jobs(status.migrations));
  patch(place("events"), events());
  patch(place("foot"), foot());
}

function bar() {
  const seen = isStale() ? `No news for ${span((performance.now() - arrived) / 1000)}` : "Live";
  return [
    h("span", { class: "name" }, status.application || "registry"),
    h("span", { class: "time" }, h("span", { class: "dot" }), seen, h("time", null, `${clock(now())} UTC`)),
  ];
}

function verdict(problems) {
  const alarms = problems.filter((problem) => problem.severity === "alarm").length;
  const warnings = problems.length - alarms;
  const starting = status.gates.filter((gate) => gate.state === "starting").length;
  const parts = [alarms && many(alarms, "alarm"), warnings && many(warnings, "warning")].filter(Boolean);
  const word = isStale() ? "This is old: the server does not answer"
    : parts.length ? parts.join(", ")
    : starting ? `${many(starting, "gate")} starting`
    : "All is well";
  const kind = isStale() || alarms ? "alarm" : warnings ? "warning" : starting ? "starting" : "well";
  return [h("h1", { class: kind }, word), h("p", { class: "sum" }, sum())];
}

/** How much goes through, in a sentence. */
function sum() {
  if (!status.gates.length) return "This process runs no gates.";
  const all = status.gates.reduce((sum, gate) => sum + gate.rates.records, 0);
  const bad = status.gates.reduce((sum, gate) => sum + (gate.rates.outcomes.dead_letter ?? 0), 0);
  const kinds = ["gate", "converter"].map((kind) => [kind, status.gates.filter((gate) => gate.kind === kind).length]);
  const who = kinds.filter(([, number]) => number).map(([kind, number]) => many(number, kind)).join(" and ");
  if (!all) return `${who}; no records just now.`;
  return `${who}; ${rate(all)} records/s, ${share(all - bad, all)} of them good.`;
}

function problem(problem, index) {
  const title = `problem-${index}`;
  const command = problem.command?.replace("http://ADDRESS", location.origin);
  return h("article", { key: `${problem.gate} ${problem.kind} ${problem.places[0]}`, class: problem.severity, "aria-labelledby": title },
    h("p", { class: "severity" }, problem.severity),
    h("h2", { id: title }, problem.title),
    h("p", { class: "when" },
      origin(problem),
      problem.since && h("span", null, "since ", h("b", null, since(problem.since, now()))),
      problem.until && h("span", null, left(problem))),
    problem.places.length > 0 && h("ul", { class: "places", "aria-label": "Where" },
      problem.places.map((one) => h("li", { key: one }, h("code", null, one))),
      problem.more_places > 0 && h("li", { key: "more" }, `and ${count(problem.more_places)} more`)),
    problem.detail && h("p", { class: "detail" }, problem.detail),
    h("p", { class: "action" }, problem.action),
    command && h("code", { class: "command", tabindex: "0" }, command));
}

function origin(problem) {
  if (problem.gate) return h("a", { href: `#gate-${problem.gate}` }, problem.gate);
  return problem.kind === "migration" ? h("a", { href: "#jobs" }, "migration jobs") : h("span", null, "registry");
}

function left(problem) {
  const seconds = (new Date(problem.until) - now()) / 1000;
  return seconds > 0 ? `${problem.then} in ${span(seconds)}` : `${problem.then} now`;
}

function events() {
  const all = status.gates.flatMap((gate) => gate.incidents.map((event) => ({ gate: gate.name, ...event })));
  const { reload, reloaded, changes } = status.configuration;
  if (reloaded) all.push({ gate: "reload", at: reloaded, what: reload === "applied" ? `applied: ${changes}` : "refused: nothing has changed" });
  all.sort((a, b) => (a.at < b.at ? 1 : -1));
  if (!all.length) return [];
  return [h("h2", { key: "name" }, "Recent events"),
    h("ol", { key: "list" }, all.slice(0, EVENTS).map((event) => h("li", { key: `${event.at} ${event.gate} ${event.what}` },
      h("time", { datetime: event.at }, clock(event.at)),
      h("span", { class: "gate-name" }, event.gate),
      h("span", { class: "what" }, event.what))))];
}

function foot() {
  const registry = status.registry.state === "ok" ? "registry answers" : "registry does not answer";
  return [h("span", null, `Sluice ${status.version}`), h("span", null, `up for ${span(status.uptime_seconds)}`),
    h("span", null, registry), h("span", null, `configuration of ${since(status.configuration.since, now())}`), h("a", { href: "status" }, "as JSON")];
}

// A page that nobody sees keeps no stream, of which a browser has six and the server few.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) source?.close();
  else follow();
});
// Times go on between two snapshots, and in particular where none comes.
setInterval(() => {
  if (status && performance.now() - arrived > 1500) render();
}, 1000);
follow();
