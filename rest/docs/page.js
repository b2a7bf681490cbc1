"use strict";

// Everything shown is made of elements and text nodes: no text of the document is
// ever read as HTML.
const METHODS = ["get", "post", "put", "patch", "delete"];
const $ = (id) => document.getElementById(id);

function el(tag, props, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) e.addEventListener(name.slice(2), value);
    else e.setAttribute(name, value === true ? "" : value);
  }
  e.append(...children.flat(Infinity).filter((c) => c !== undefined && c !== null && c !== false && c !== ""));
  return e;
}

let api = { paths: {}, components: {} };
let operations = [];

// Reading the document

function resolve(thing) {
  for (let i = 0; thing && thing.$ref && i < 20; i++) {
    thing = thing.$ref.split("/").slice(1).reduce((at, key) => at && at[decodeURIComponent(key).replace(/~1/g, "/").replace(/~0/g, "~")], api);
  }
  return thing || {};
}

const refName = (schema) => schema.$ref && schema.$ref.startsWith("#/components/schemas/") ? schema.$ref.split("/").pop() : "";

function collect() {
  const found = [];
  for (const [path, item] of Object.entries(api.paths || {})) {
    for (const method of METHODS) {
      if (item[method]) found.push({ path, method, id: item[method].operationId || method + path, ...item[method] });
    }
  }
  return found;
}

function typeText(schema) {
  const name = refName(schema);
  if (name) return name;
  if (schema.anyOf) return schema.anyOf.map(typeText).join(" or ");
  const types = [].concat(schema.type || "any").map((t) => {
    if (t === "array") return "list of " + typeText(schema.items || {});
    if (t === "object" && schema.additionalProperties) return "map of " + typeText(schema.additionalProperties);
    return t;
  });
  return types.join(" or ") + (schema.format ? " (" + schema.format + ")" : "") + (schema.contentEncoding ? " (" + schema.contentEncoding + ")" : "");
}

function limits(schema) {
  const s = schema.items && schema.items.enum ? { ...schema, enum: schema.items.enum } : schema;
  const words = [];
  const range = (low, high, unit) => {
    if (low !== undefined && high !== undefined) words.push(low === high ? `${low}${unit}` : `${low} to ${high}${unit}`);
    else if (low !== undefined) words.push(`at least ${low}${unit}`);
    else if (high !== undefined) words.push(`at most ${high}${unit}`);
  };
  range(s.minimum, s.maximum, "");
  range(s.minLength, s.maxLength, " characters");
  range(s.minItems, s.maxItems, " items");
  if (s.enum) words.push("one of " + s.enum.map((v) => JSON.stringify(v)).join(", "));
  if (s.default !== undefined) words.push("default " + JSON.stringify(s.default));
  return words.join("; ");
}

// An example of a schema, for the request's body.
function example(schema, depth = 0) {
  const s = resolve(schema);
  if (s.examples && s.examples.length) return s.examples[0];
  if (s.default !== undefined) return s.default;
  if (s.enum) return s.enum[0];
  if (s.anyOf) return depth > 3 ? null : example(s.anyOf[0], depth + 1);
  switch ([].concat(s.type || "null")[0]) {
    case "object":
      return Object.fromEntries(Object.entries(depth > 4 ? {} : s.properties || {}).map(([k, v]) => [k, example(v, depth + 1)]));
    case "array":
      return depth > 4 ? [] : [example(s.items || {}, depth + 1)];
    case "integer":
    case "number":
      return Math.max(s.minimum || 0, 0);
    case "boolean":
      return false;
    case "string":
      return s.format === "date-time" ? new Date().toISOString().slice(0, 19) + "Z" : "x".repeat(s.minLength || 0);
  }
  return null;
}

// Showing it

// word is what is said of a required field: of an answer's it is "always".
function schemaView(schema, open, word = "required") {
  const s = resolve(schema);
  const inner = s.anyOf ? s.anyOf[0] : s.items || (typeof s.additionalProperties === "object" ? s.additionalProperties : null);
  if (s.properties) {
    if (!open) return unfold(() => schemaView(schema, true, word));
    const items = Object.entries(s.properties).map(([name, p]) => fieldView(name, p, (s.required || []).includes(name), word));
    return el("ul", { class: "fields" }, items.length ? items : el("li", { class: "note" }, "no fields"));
  }
  return inner ? schemaView(inner, open, word) : "";
}

// Made when opened: a type that contains itself has no end.
function unfold(make) {
  const details = el("details", {}, el("summary", { class: "note" }, "fields"));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(make());
  });
  return details;
}

function fieldView(name, schema, required, word, where) {
  const facts = limits(resolve(schema).enum ? resolve(schema) : schema);
  return el("li", {},
    el("code", {}, name), " ", el("span", { class: "type" }, where ? where + ", " : "", typeText(schema)),
    required && el("span", { class: word === "required" ? "must" : "type" }, " " + word),
    schema.description && el("p", { class: "text" }, schema.description),
    facts && el("p", { class: "type" }, facts),
    schemaView(schema, false, word));
}

function heading(op) {
  return [el("span", { class: "method " + op.method }, op.method.toUpperCase()), " ", el("code", { class: op.deprecated ? "old" : null }, op.path)];
}

function responseView([status, ref]) {
  const r = resolve(ref);
  const schema = Object.entries(r.content || {}).map(([type, m]) => el("div", {},
    el("span", { class: "type" }, type + ": " + typeText(m.schema)), schemaView(m.schema, !refName(m.schema) || status.startsWith("2"), "always")));
  const headers = Object.entries(r.headers || {}).map(([name, h]) => fieldView(name, { ...h.schema, description: h.description }, false, "always", "header"));
  return [el("h3", {}, el("code", {}, status === "default" ? "any other" : status), " ", el("span", { class: "note" }, r.description || "")),
    headers.length ? el("ul", { class: "fields" }, headers) : "", schema];
}

function operationView(op) {
  const params = op.parameters || [];
  const body = op.requestBody && Object.entries(op.requestBody.content)[0];
  return [
    el("h1", {}, heading(op)),
    op.summary && el("p", {}, el("strong", {}, op.summary)),
    op.deprecated && el("p", { class: "must" }, "Deprecated: new clients should not use it."),
    op.description && el("p", { class: "text" }, op.description),
    params.length > 0 && el("section", {}, el("h2", {}, "Parameters"), el("ul", { class: "fields" },
      params.map((p) => fieldView(p.name, { ...p.schema, description: p.description }, p.required, "required", p.in)))),
    body && el("section", {}, el("h2", {}, "Body"), el("p", { class: "type" }, body[0] + ": " + typeText(body[1].schema),
      op.requestBody.required && el("span", { class: "must" }, " required")), schemaView(body[1].schema, true)),
    el("section", {}, el("h2", {}, "Answers"), Object.entries(op.responses).map(responseView)),
    el("section", {}, el("h2", {}, "Try it"), tryView(op, params, body)),
  ];
}

function overview() {
  return [
    el("h1", {}, api.info.title + " ", el("span", { class: "note" }, api.info.version)),
    api.info.description && el("p", { class: "text" }, api.info.description),
    el("h2", {}, "Operations"),
    el("ul", { class: "fields" }, operations.map((op) => el("li", {}, el("a", { href: "#" + encodeURIComponent(op.id) }, heading(op)), " ", op.summary || ""))),
  ];
}

// Trying it

function base() {
  const server = api.servers && api.servers[0] && api.servers[0].url;
  return new URL(server || ".", location.href).href.replace(/\/$/, "");
}

function paramInput(p) {
  const s = resolve(p.schema);
  const name = el("span", {}, el("code", {}, p.name), p.required && el("span", { class: "must" }, " required"));
  const choices = s.enum || (s.type === "boolean" ? [true, false] : null);
  const input = choices
    ? el("select", {}, el("option", { value: "" }, "—"), choices.map((v) => el("option", { value: v }, String(v))))
    : el("input", { placeholder: s.default !== undefined ? String(s.default) : typeText(p.schema) });
  return { p, input, label: el("label", {}, name, input) };
}

function buildRequest(op, inputs, extra, body) {
  let path = op.path;
  const query = new URLSearchParams();
  const headers = {};
  for (const { p, input } of inputs) {
    const value = input.value;
    if (value === "" && p.in !== "path") continue;
    if (p.in === "path") path = path.replace("{" + p.name + "}", encodeURIComponent(value));
    else if (p.in === "header") headers[p.name] = value;
    else if (p.schema.type === "array" && p.explode !== false) value.split(",").forEach((v) => query.append(p.name, v.trim()));
    else query.append(p.name, value);
  }
  for (const line of extra.value.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) headers[line.slice(0, colon).trim()] = line.slice(colon + 1).trim();
  }
  if (body) headers["Content-Type"] = "application/json";
  const search = query.toString();
  return { url: base() + path + (search ? "?" + search : ""), method: op.method.toUpperCase(), headers, body: body ? body.value : undefined };
}

const quote = (s) => "'" + s.replace(/'/g, "'\\''") + "'";

function curlLine(r) {
  const parts = ["curl -i -X " + r.method];
  for (const [name, value] of Object.entries(r.headers)) parts.push("-H " + quote(name + ": " + value));
  if (r.body !== undefined) parts.push("--data-binary " + quote(r.body));
  return parts.concat(quote(r.url)).join(" \\\n  ");
}

async function send(request, result) {
  result.replaceChildren(el("p", {}, "Sending …"));
  const started = performance.now();
  try {
    const answer = await fetch(request.url, { method: request.method, headers: request.headers, body: request.body, cache: "no-store" });
    const text = await answer.text();
    let shown = text;
    try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: as it is */ }
    const headers = [...answer.headers].map(([name, value]) => name + ": " + value).join("\n");
    result.replaceChildren(
      el("p", {}, el("strong", { class: answer.ok ? "good" : "bad" }, answer.status + " " + answer.statusText), ` in ${Math.round(performance.now() - started)} ms`),
      el("details", {}, el("summary", {}, "Headers"), el("pre", {}, headers)),
      shown ? el("pre", {}, shown) : el("p", { class: "note" }, "no body"));
  } catch (err) {
    result.replaceChildren(el("p", { class: "bad" }, "No answer: " + err.message));
  }
}

function tryView(op, params, content) {
  const inputs = params.map(paramInput);
  const body = content && el("textarea", { rows: 10, spellcheck: "false" });
  if (body) body.value = JSON.stringify(example(content[1].schema), null, 2);
  const extra = el("textarea", { rows: 2, spellcheck: "false", placeholder: "Authorization: Bearer …" });
  const result = el("div", { class: "result", "aria-live": "polite" });
  const curl = el("pre", {});
  const refresh = () => { curl.textContent = curlLine(buildRequest(op, inputs, extra, body)); };
  const form = el("form", { class: "try", oninput: refresh, onsubmit: async (e) => {
    e.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    await send(buildRequest(op, inputs, extra, body), result);
    button.disabled = false;
  } },
    inputs.map((i) => i.label),
    body && el("label", { class: "wide" }, "Body", body),
    el("label", { class: "wide" }, "Further headers, one a line", extra),
    el("div", {}, el("button", {}, "Send")),
    result,
    el("details", {}, el("summary", {}, "As a curl command"), curl));
  refresh();
  return form;
}

// Finding one's way

function navigation(filter) {
  const wanted = filter.toLowerCase();
  const here = decodeURIComponent(location.hash.slice(1));
  const link = (id, ...inner) => el("li", {}, el("a", { href: "#" + encodeURIComponent(id), "aria-current": id === here && "page" }, inner));
  const groups = new Map();
  for (const op of operations) {
    if (![op.method, op.path, op.id, op.summary].join(" ").toLowerCase().includes(wanted)) continue;
    const tag = (op.tags && op.tags[0]) || "other";
    groups.set(tag, (groups.get(tag) || []).concat(op));
  }
  const parts = [...groups].map(([tag, ops]) => [el("h2", {}, tag), el("ul", {}, ops.map((op) => link(op.id, heading(op))))]);
  const names = Object.keys((api.components || {}).schemas || {}).filter((n) => n.toLowerCase().includes(wanted));
  if (names.length) parts.push([el("h2", {}, "Schemas"), el("ul", {}, names.map((n) => link("schema/" + n, n)))]);
  $("nav").replaceChildren(...parts.flat());
}

function show() {
  const here = decodeURIComponent(location.hash.slice(1));
  const op = operations.find((o) => o.id === here);
  const schema = here.startsWith("schema/") && api.components.schemas[here.slice(7)];
  let view = overview();
  if (op) view = operationView(op);
  if (schema) view = [el("h1", {}, here.slice(7)), schema.description && el("p", { class: "text" }, schema.description), schemaView(schema, true)];
  $("main").replaceChildren(...view.filter(Boolean));
  document.title = (op ? op.method.toUpperCase() + " " + op.path + " – " : schema ? here.slice(7) + " – " : "") + api.info.title;
  navigation($("search").value);
  window.scrollTo(0, 0);
}

async function start() {
  try {
    const answer = await fetch("openapi.json");
    if (!answer.ok) throw new Error(answer.status + " " + answer.statusText);
    api = await answer.json();
  } catch (err) {
    $("main").replaceChildren(el("p", { class: "must" }, "openapi.json could not be read: " + err.message));
    return;
  }
  operations = collect();
  $("title").textContent = api.info.title;
  $("version").textContent = api.info.version;
  $("search").addEventListener("input", () => navigation($("search").value));
  window.addEventListener("hashchange", () => { if (location.hash !== "#main") show(); });
  document.addEventListener("keydown", (e) => {
    if (e.key === "/" && !/^(input|textarea|select)$/i.test(e.target.tagName)) { e.preventDefault(); $("search").focus(); }
  });
  show();
}

start();
