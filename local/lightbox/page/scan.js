// One scan: its way, its verdict, findings, what was read, events. Everything as record and events tell it.

import { drawn, element } from "./dom.js";
import { knows, page, reason, said, time } from "./language.js";

const MARKS = { done: "✓", now: "", waiting: "…", next: "", skipped: "–", failed: "✗" };
const STATUS = { RECOGNIZED: "good", REJECTED: "bad", FAILED: "bad" };
const QUALITY = { good: "good", low: "low" };
const RISK = { none: "good", suspected: "bad" };
const NOT_READ = ["country", "document_type", "side"];

export function told(scan, groups) {
  const record = scan.record ?? {};
  const parts = [];
  if (record.status) parts.push(heading("verdict"), verdict(record));
  if (scan.findings.length || record.reasons) parts.push(heading("findings"), ...findings(scan, groups));
  for (const [index, card] of [record.card, ...(record.other_cards ?? [])].entries()) {
    if (card) parts.push(heading(index ? "other_card" : "read"), fields(card));
  }
  if (scan.over || scan.events.length) parts.push(heading("events"), ...events(scan.events));
  if (scan.provider_events.length) parts.push(heading("provider_events"), ...events(scan.provider_events, true));
  if (scan.record) parts.push(stored("record", scan.record));
  return parts;
}

export function pills(record) {
  const made = [pill(record.status, STATUS[record.status])];
  if (record.quality) made.push(pill(page("quality_is", { value: said("quality", record.quality) }), QUALITY[record.quality]));
  if (record.risk) made.push(pill(page("risk_is", { value: said("risk", record.risk) }), RISK[record.risk]));
  return made;
}

export function sentence(scan) {
  // For whoever listens: where the scan is now.
  const { record } = scan;
  if (scan.over) {
    const why = record.reasons?.map((code) => reason(code).meaning) ?? [];
    return [said("status", record.status), ...why].join(" ");
  }
  const step = scan.way.find(({ state }) => state === "now" || state === "waiting");
  return step ? `${said("step", step.name)}: ${said("state", step.state)}. ${note(step)}` : "";
}

export function colour(code, groups) {
  const of = groups[code] ?? [];
  if (of.includes("quality") || of.includes("waiting")) return "low";
  return ["risk", "rejected", "failed"].some((group) => of.includes(group)) ? "bad" : "";
}

function heading(name) {
  return element("h3", {}, page(name));
}

function pill(text, kind = "") {
  return element("span", { class: `pill ${kind}` }, text);
}

export function way(steps, waits) {
  return steps.map((step) => {
    const notes = [note(step)];
    if (step.name === "asked") notes.push(...waits.map((wait) => page("waited", { time: time(wait.at), reason: reason(wait.reason).meaning })));
    const current = step.state === "now" || step.state === "waiting";
    return element("li", { class: step.state, "data-step": step.name, "aria-current": current ? "step" : null },
      element("span", { class: "mark", "aria-hidden": "true" }, MARKS[step.state]),
      element("strong", {}, said("step", step.name)),
      step.at ? element("time", { datetime: step.at }, time(step.at)) : element("span", { class: "state" }, said("state", step.state)),
      step.at ? element("span", { class: "visually-hidden" }, said("state", step.state)) : null,
      ...notes.filter(Boolean).map((text) => element("span", { class: "note" }, text)));
  });
}

function note(step) {
  if (!step.note) return "";
  const values = { ...step.values };
  if (values.reason) values.reason = reason(values.reason).meaning;
  if (values.status) values.status = said("status", values.status);
  return said("note", step.note, values);
}

function verdict(record) {
  const paid = page("paid", { paid: record.paid_calls, uncertain: record.uncertain_calls });
  return element("div", {},
    element("p", { class: "pills" }, ...pills(record)),
    element("p", { class: "soft" }, said("status", record.status), record.paid_calls === undefined ? "" : ` · ${paid}`));
}

function findings(scan, groups) {
  const codes = [...new Set([...(scan.record.reasons ?? []), ...scan.findings.map((finding) => finding.reason)])];
  if (!codes.length) return [element("p", { class: "soft" }, page("no_findings"))];
  return codes.map((code) => {
    const { meaning, advice } = reason(code);
    const based = scan.findings.filter((finding) => finding.reason === code);
    return element("div", { class: `finding ${colour(code, groups)}`, "data-reason": code },
      element("p", {}, `${meaning} `, element("code", {}, code)),
      ...based.flatMap(evidence),
      element("small", {}, advice));
  });
}

function evidence(finding) {
  const ours = knows("source", finding.source);
  const signal = !ours ? finding.signal
    : knows("signal", finding.signal) ? said("signal", finding.signal) : said("field", finding.signal);
  const who = ours ? said("source", finding.source) : finding.source;
  const limit = finding.bound ?? (finding.source === "card" ? "claimed" : "accepted");
  const words = [
    finding.value === undefined ? signal : `${signal} ${finding.value}`,
    finding.threshold === undefined ? "" : page(limit, { threshold: finding.threshold }),
    who,
  ].filter(Boolean);
  return [element("small", {}, words.join(" · ")), finding.bound ? gauge(Number(finding.value), Number(finding.threshold)) : null];
}

function gauge(value, threshold) {
  // The words beside it say the same.
  const whole = Math.max(value, threshold) * 1.2 || 1;
  const at = (number) => (number / whole) * 320;
  return drawn("svg", { viewBox: "0 0 320 18", "aria-hidden": "true" },
    drawn("rect", { class: "track", x: 0, y: 5, width: 320, height: 8, rx: 4 }),
    drawn("rect", { class: "value", x: 0, y: 5, width: Math.max(at(value), 3), height: 8, rx: 4 }),
    drawn("line", { class: "limit", x1: at(threshold), x2: at(threshold), y1: 0, y2: 18 }));
}

function fields(card) {
  const value = (each) => (typeof each === "boolean" ? page(each ? "yes" : "no") : String(each));
  const rows = Object.entries(card).filter(([name]) => !NOT_READ.includes(name));
  const kind = said("claim", `${card.document_type},${card.side}`);
  return element("div", {},
    element("p", { class: "soft" }, kind),
    element("table", {}, element("tbody", {}, ...rows.map(([name, each]) =>
      element("tr", { "data-field": name }, element("th", { scope: "row" }, said("field", name)), element("td", {}, value(each)))))));
}

function events(arrived, ofProviders = false) {
  if (!arrived.length) return [element("p", { class: "soft" }, page("no_events"))];
  return arrived.map((event) => {
    const { data, metadata } = event.detail;
    const what = [said("event", event["detail-type"]), ofProviders ? data.provider : "", time(metadata.occurred_at)].filter(Boolean);
    return element("details", { "data-event": event["detail-type"] },
      element("summary", {}, element("strong", {}, event["detail-type"]), element("span", { class: "soft" }, ` · ${what.join(" · ")}`)),
      element("pre", { tabindex: "0", role: "region", "aria-label": page("event") }, JSON.stringify(event, null, 2)));
  });
}

function stored(name, value) {
  return element("details", { "data-part": name }, element("summary", { class: "soft" }, page(name)),
    element("pre", { tabindex: "0", role: "region", "aria-label": page(name) }, JSON.stringify(value, null, 2)));
}
