// Everything that the page says, in the chosen language. What is chosen is the only thing that this page ever keeps.

import { find } from "./dom.js";

const CHOICE = "lightbox-language";
const TAGS = { en: "en", zh: "zh-CN" };
const loaded = {};
let language = "en";
const constants = {};

export function set(name, value) {
  // For sentences that need it wherever they are said.
  constants[name] = value;
}

export function said(section, name, values = {}) {
  // A name that is too new for the texts explains itself.
  const sentence = loaded[language][section][name] ?? name.replaceAll("_", " ");
  return sentence
    .replaceAll("`", "")
    .replace(/\{(\w+)\}/g, (_, key) => values[key] ?? constants[key] ?? "");
}

export const page = (name, values) => said("page", name, values);

export function reason(code) {
  const text = loaded[language].reason[code] ?? { meaning: code, advice: "" };
  return { meaning: text.meaning.replaceAll("`", ""), advice: text.advice.replaceAll("`", "") };
}

export const knows = (section, name) => name in loaded[language][section];

export function time(moment) {
  return new Date(moment).toLocaleTimeString(TAGS[language], { hour12: false });
}

export function listed(words) {
  return new Intl.ListFormat(TAGS[language], { type: "unit" }).format(words);
}

export async function begin(onChange) {
  for (const button of document.querySelectorAll("[data-language]")) {
    button.addEventListener("click", () => {
      remember(button.dataset.language);
      choose(button.dataset.language).then(onChange);
    });
  }
  await choose(remembered() ?? browsers());
}

async function choose(wanted) {
  loaded[wanted] ??= await (await fetch(`api/texts/${wanted}`)).json();
  language = wanted;
  document.documentElement.lang = TAGS[wanted];
  document.title = page("title");
  for (const place of document.querySelectorAll("[data-text]")) place.textContent = page(place.dataset.text);
  for (const place of document.querySelectorAll("[data-label]")) place.setAttribute("aria-label", page(place.dataset.label));
  find("picture").alt = page("picture");
  find("drop-hint").textContent = page("drop_hint");
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === wanted));
  }
}

function browsers() {
  const first = navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => tag in TAGS);
  return first ?? "en";
}

function remembered() {
  try {
    const kept = localStorage.getItem(CHOICE);
    return kept in TAGS ? kept : null;
  } catch {
    return null; // storage is switched off
  }
}

function remember(wanted) {
  try {
    localStorage.setItem(CHOICE, wanted);
  } catch {
    // then it is asked for again
  }
}
