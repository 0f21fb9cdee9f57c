// Sends scans, watches them until nothing more is to come, and shows one of them.

import { element, find, options } from "./dom.js";
import * as earlier from "./earlier.js";
import * as language from "./language.js";
import { page, said } from "./language.js";
import { sentence, told, way } from "./scan.js";

const LOOK_MS = 400;
const LOST_MS = 2000;

const watched = new Map(); // record id: {scan, waits, file}
let shown = null;
let about;
let refreshEarlier;

class Refused extends Error {}

async function begin() {
  about = await asked("api/about");
  language.set("megabytes", about.largest_upload / 1e6);
  await language.begin(saidAnew);
  const look = earlier.begin(about, { choose: show, shown: () => shown });
  refreshEarlier = () => look().catch(() => {}); // whoever is watched says that nobody answers
  find("times").max = about.most_faults;
  say();
  sampleChanged();
  find("kind").addEventListener("change", sampleChanged);
  find("claim").addEventListener("change", claimChanged);
  find("settings").addEventListener("submit", (event) => event.preventDefault());
  find("sample").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(sendSample);
  });
  const input = find("file");
  input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = "";
    attempt(() => send(files));
  });
  find("pending").querySelector("button").addEventListener("click", () => attempt(clearFaults));
  find("picture").addEventListener("error", otherPicture);
  find("picture").addEventListener("load", () => pictured(true));
  acceptDrops(find("drop"));
  refreshEarlier();
  attempt(showPending);
  document.body.dataset.ready = "true";
}

// ── texts ────────────────────────────────────────────────────────────────────────────────────────────────────────

function say() {
  const { kinds } = about.samples;
  options(find("kind"), kinds.map(({ name }) => [name, said("kind", name)]));
  options(find("claim"), [["", page("no_claim")], ...about.claims.map((claim) => [claim, said("claim", claim)])]);
  const byName = about.readers.filter(({ prefix, provider }) => prefix === `${provider}/`);
  const byCountry = about.readers.filter((reader) => !byName.includes(reader));
  const routed = ({ prefix, provider, country }) =>
    [prefix, page(country === "PER" ? "peruvian_cards" : "chinese_cards", { provider })];
  options(find("reader"), [
    { label: page("by_country"), entries: byCountry.map(routed) },
    { label: page("by_name"), entries: byName.map(({ prefix, provider }) => [prefix, provider]) },
  ]);
  options(find("fault"), [["", page("no_fault")], ...about.faults.map((fault) => [fault, said("fault", fault)])]);
  fillChanges();
  earlier.fillFilter(about);
}

function saidAnew() {
  say();
  if (shown) render();
  refreshEarlier();
  attempt(showPending);
  problem("");
}

function problem(text) {
  find("problem").textContent = text;
  find("problem").hidden = !text;
}

async function attempt(work) {
  problem("");
  try {
    await work();
  } catch (error) {
    problem(error instanceof Refused ? error.message : page("lost"));
  }
}

async function asked(url, request) {
  const response = await fetch(url, request);
  if (response.ok) return response.json();
  const { error } = await response.json();
  throw new Refused(said("error", error));
}

// ── what is sent ─────────────────────────────────────────────────────────────────────────────────────────────────

const kindChosen = () => about.samples.kinds.find(({ name }) => name === find("kind").value);

function fillChanges() {
  const text = (name) => [name, said("change", name)];
  const { country, flaws } = kindChosen();
  const groups = [{ label: page("as_it_is"), entries: [text("none")] }];
  if (country) groups.push({ label: page("spoiled"), entries: about.samples.spoils.map(text) });
  if (flaws.length) groups.push({ label: page("flawed"), entries: flaws.map(text) });
  options(find("change"), groups);
}

function sampleChanged() {
  fillChanges();
  readCardsOf(kindChosen().country);
}

function claimChanged() {
  const claim = find("claim").value;
  readCardsOf(about.samples.kinds.find((kind) => claimOf(kind) === claim)?.country);
}

const claimOf = ({ document_type, side }) => (document_type ? `${document_type},${side}` : "");

function readCardsOf(country) {
  // Whoever reads such cards already, stays.
  if (!country) return;
  const now = about.readers.find(({ prefix }) => prefix === find("reader").value);
  if (now.country !== country) find("reader").value = about.readers.find((reader) => reader.country === country).prefix;
}

async function sendSample() {
  const seed = Math.floor(Math.random() * (about.samples.largest_seed + 1));
  const wanted = new URLSearchParams({ kind: find("kind").value, change: find("change").value, seed });
  const response = await fetch(`api/samples?${wanted}`);
  if (!response.ok) throw new Refused(said("error", (await response.json()).error));
  await send([await response.blob()], find("claim").value || claimOf(kindChosen()));
}

async function send(files, claim = find("claim").value) {
  for (const [index, file] of files.entries()) {
    if (file.size > about.largest_upload) throw new Refused(said("error", "too_large"));
    find("progress").textContent = page("sending", { n: index + 1, total: files.length });
    const how = new URLSearchParams({ reader: find("reader").value, claim });
    if (find("fault").value && index === 0) {
      how.set("fault", find("fault").value);
      how.set("times", find("times").value);
    }
    const { record_id } = await asked(`api/scans?${how}`, { method: "POST", body: file });
    watched.set(record_id, { scan: null, waits: [], file });
    watch(record_id);
    if (index === 0) {
      show(record_id);
      find("scan").scrollIntoView({ block: "nearest" });
    }
  }
  find("fault").value = "";
  await showPending();
}

function acceptDrops(place) {
  // Anywhere on the page: a photo that misses the box must not replace the page.
  const over = (event) => {
    event.preventDefault();
    place.classList.add("over");
  };
  const out = (event) => {
    if (event.relatedTarget === null) place.classList.remove("over");
  };
  document.addEventListener("dragover", over);
  document.addEventListener("dragleave", out);
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    place.classList.remove("over");
    const files = [...event.dataTransfer.files];
    if (files.length) attempt(() => send(files));
  });
}

async function showPending() {
  const { pending } = await asked("api/faults");
  const words = pending.map(({ provider, fault, times }) => `${provider} ${fault} × ${times}`);
  find("pending").hidden = !words.length;
  find("pending").querySelector("span").textContent = page("pending", { faults: language.listed(words) });
}

async function clearFaults() {
  await asked("api/faults", { method: "DELETE" });
  await showPending();
}

// ── what becomes of it ───────────────────────────────────────────────────────────────────────────────────────────

async function watch(id) {
  const known = watched.get(id);
  let [before, lost] = ["", false];
  for (;;) {
    let scan;
    try {
      scan = await asked(`api/scans/${id}`);
      if (lost) problem("");
      lost = false;
    } catch (error) {
      if (error instanceof Refused) return problem(error.message);
      lost = true;
      problem(page("lost"));
      await new Promise((resolve) => setTimeout(resolve, LOST_MS));
      continue;
    }
    const now = JSON.stringify(scan);
    if (now !== before) {
      remember(known, scan);
      if (shown === id) render();
      if (before === "" || scan.over) refreshEarlier();
      before = now;
    }
    if (scan.over) return showPending().catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function remember(known, scan) {
  // The record forgets what it has waited for; whoever looks on has seen it.
  const reason = scan.record?.waiting_for;
  const since = scan.record?.updated_at;
  const last = known.waits.at(-1);
  if (reason && !(last?.since === since)) known.waits.push({ reason, since, at: since });
  known.scan = scan;
}

function show(id) {
  shown = id;
  if (!watched.has(id)) watched.set(id, { scan: null, waits: [], file: null });
  find("nothing").hidden = true;
  find("shown").hidden = false;
  delete find("shown").dataset.over;
  find("way").replaceChildren();
  find("told").replaceChildren();
  picture(id);
  earlier.mark(id);
  if (watched.get(id).scan === null) watch(id);
  else render();
  if (document.activeElement?.dataset?.scan) find("scan").focus();
}

function picture(id) {
  const image = find("picture");
  const { file } = watched.get(id);
  if (image.src.startsWith("blob:")) URL.revokeObjectURL(image.src);
  image.src = file ? URL.createObjectURL(file) : `api/scans/${id}/picture`;
  find("crops").replaceChildren();
}

function otherPicture() {
  // What this browser cannot show may be shown by the server.
  if (find("picture").src.startsWith("blob:")) find("picture").src = `api/scans/${shown}/picture`;
  else pictured(false);
}

function pictured(possible) {
  find("picture").hidden = !possible;
  find("no-picture").hidden = possible;
}

function render() {
  const { scan, waits } = watched.get(shown);
  if (scan === null) return;
  const open = [...find("told").querySelectorAll("details[open]")].map(named);
  const past = scan.record?.waiting_for ? waits.slice(0, -1) : waits;
  find("way").replaceChildren(...way(scan.way, past));
  find("told").replaceChildren(...told(scan, about.groups));
  for (const details of find("told").querySelectorAll("details")) details.open = open.includes(named(details));
  const words = sentence(scan);
  if (find("progress").textContent !== words) find("progress").textContent = words;
  find("shown").dataset.scan = shown;
  find("shown").dataset.over = String(scan.over);
  if (find("crops").childElementCount !== scan.crops.length) {
    find("crops").replaceChildren(...scan.crops.map((crop) => element("figure", {},
      element("img", { src: `api/scans/${shown}/${crop}`, alt: page(`crop_${crop}`) }),
      element("figcaption", { class: "soft" }, page(`crop_${crop}`)))));
  }
}

const named = (details) => details.dataset.event ?? details.dataset.part;

await begin();
