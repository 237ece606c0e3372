// The migration jobs: how far each is.

import { h } from "./dom.js";
import { count, many, rate, share, span } from "./words.js";

const STATES = {
  unknown: "Not known yet", not_begun: "Not begun", copying: "Copies", following: "Follows its source", done: "Done",
  abandoned: "Abandoned",
};

export function jobs(all) {
  if (!all.length) return [];
  return [h("h2", { key: "name" }, "Migration jobs"), h("ul", { key: "list" }, all.map(job))];
}

function job(job) {
  const begun = !["unknown", "not_begun"].includes(job.state) || job.copied > 0;
  return h("li", { key: job.name, class: job.state },
    h("p", { class: "head" }, h("b", null, job.name), h("span", { class: "state" }, STATES[job.state]),
      h("span", { class: "topics" }, `${job.source} → ${job.to}`)),
    job.error && h("p", { class: "detail" }, job.error),
    begun && h("progress", { max: "1", value: String(job.share), "aria-label": `${job.name}: copied` }),
    begun && h("p", { class: "facts" }, facts(job).map((fact) => h("span", null, fact))));
}

function facts(job) {
  const moved = Object.values(job.groups).filter(Boolean).length;
  const groups = Object.keys(job.groups).length;
  return [
    `${share(job.share, 1)} behind it, ${count(job.left)} to go`,
    job.rate !== null && `${rate(job.rate)} records/s`,
    `${count(job.copied)} copied${job.converted ? `, ${count(job.converted)} of them converted` : ""}`,
    job.dead_letters > 0 && many(job.dead_letters, "dead letter"),
    groups > 0 && `${moved} of ${many(groups, "group")} moved`,
    job.quiet_seconds !== null && `last checkpoint ${span(job.quiet_seconds)} ago`,
  ].filter(Boolean);
}
