// Making elements without ever parsing text as markup.

export const find = (id) => document.getElementById(id);

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  return filled(made, attributes, children);
}

export function drawn(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  return filled(made, attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

export function options(select, entries) {
  // entries: [value, text], or [[value, text], ...] under a label as {label, entries}
  const chosen = select.value;
  const one = ([value, text]) => element("option", { value }, text);
  const made = entries.map((entry) =>
    Array.isArray(entry) ? one(entry) : element("optgroup", { label: entry.label }, ...entry.entries.map(one)));
  select.replaceChildren(...made);
  if ([...select.options].some((option) => option.value === chosen)) select.value = chosen;
}
