// The filter of earlier scans, and their list: nothing of what was read stands in it.

import { element, find, options } from "./dom.js";
import { page, said, time } from "./language.js";
import { colour, pills } from "./scan.js";

let newest = 0;
let listed = "";

export function begin(about, onChoice) {
  const form = find("filter");
  const look = () => refresh(about, onChoice);
  form.addEventListener("change", look);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    look();
  });
  form.addEventListener("reset", () => setTimeout(look)); // the fields are reset after this event
  return look;
}

export function fillFilter({ filters }) {
  for (const [name, values] of Object.entries(filters)) {
    const text = (value) => (name === "reason" || name === "status" ? value : said(name, value));
    options(find(`filter-${name}`), [["", page("any")], ...values.map((value) => [value, text(value)])]);
  }
}

export function mark(shown) {
  for (const button of find("earlier").querySelectorAll("button")) {
    button.setAttribute("aria-current", String(button.dataset.scan === shown));
  }
}

async function refresh({ groups }, { choose, shown }) {
  const asked = ++newest;
  const wanted = new URLSearchParams(new FormData(find("filter")));
  const response = await fetch(`api/scans?${wanted}`);
  const { scans, found, all } = await response.json();
  if (asked !== newest) return; // somebody has chosen again meanwhile
  find("found").textContent = !all ? page("none_yet") : !found ? page("none_found")
    : found > scans.length ? page("shown_some", { shown: scans.length, found, all }) : page("shown", { found, all });
  const now = JSON.stringify([scans, document.documentElement.lang]);
  if (now === listed) return; // a button that is replaced while it is being pressed is not pressed
  listed = now;
  const focused = document.activeElement?.dataset?.scan;
  find("earlier").replaceChildren(...scans.map((scan) => {
    const at = scan.created_at ?? scan.updated_at;
    const codes = scan.reasons ?? (scan.waiting_for ? [scan.waiting_for] : []);
    const button = element("button", { type: "button", "data-scan": scan.record_id },
      element("time", { datetime: at }, time(at)),
      ...pills(scan),
      ...codes.map((code) => element("span", { class: `pill ${colour(code, groups)}` }, element("code", {}, code))),
      scan.provider ? element("small", { class: "soft" }, scan.provider) : null);
    button.addEventListener("click", () => choose(scan.record_id));
    return element("li", {}, button);
  }));
  mark(shown());
  if (focused) find("earlier").querySelector(`[data-scan="${focused}"]`)?.focus();
}
