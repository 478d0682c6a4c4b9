"use strict";
// Renders the OpenAPI document. Every text is set as text, never as markup.
const el = (name, attributes, ...children) => {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
};
const slug = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
const refName = (ref) => ref.split("/").pop();

// The type of a schema: words, and links to the named schemas in it.
const typeOf = (schema) => {
  if (!schema) return ["anything"];
  if (schema.$ref) return [el("a", { href: "#schema-" + slug(refName(schema.$ref)) }, refName(schema.$ref))];
  for (const key of ["oneOf", "anyOf", "allOf"]) {
    if (schema[key]) return schema[key].flatMap((part, at) => (at ? [" or ", ...typeOf(part)] : typeOf(part)));
  }
  if (schema.enum) return [schema.enum.map((value) => JSON.stringify(value)).join(" or ")];
  const types = [].concat(schema.type || "object");
  return types.flatMap((type, at) => {
    const words = type === "array" ? ["list of ", ...typeOf(schema.items)] : [type];
    return at ? [" or ", ...words] : words;
  });
};

const limits = (schema) => {
  const words = [];
  if (!schema) return "";
  if (schema.default !== undefined) words.push("else " + JSON.stringify(schema.default));
  if (schema.minimum !== undefined) words.push("from " + schema.minimum);
  if (schema.maximum !== undefined) words.push("to " + schema.maximum);
  return words.length ? " (" + words.join(", ") + ")" : "";
};

const table = (caption, rows) => el("table", {},
  el("caption", { class: "need" }, caption),
  el("thead", {}, el("tr", {}, ...["Name", "Type", "Meaning"].map((head) => el("th", { scope: "col" }, head)))),
  el("tbody", {}, ...rows));

const row = (name, schema, meaning, isRequired) => el("tr", {},
  el("th", { scope: "row" }, el("code", {}, name), isRequired ? el("div", { class: "need" }, "required") : null),
  el("td", {}, ...typeOf(schema), limits(schema)),
  el("td", {}, meaning || ""));

const fields = (schema) => Object.entries(schema.properties || {}).map(([name, field]) =>
  row(name, field, field.description, (schema.required || []).includes(name)));

const content = (body) => Object.entries((body && body.content) || {}).map(([media, { schema }]) =>
  el("p", {}, ...typeOf(schema), " as ", el("code", {}, media)));

const operation = (method, path, op) => {
  const id = "route-" + slug(method + "-" + path);
  const inner = el("div", { class: "inner" });
  if (op.description && op.description !== op.summary) inner.append(el("p", {}, op.description));
  const parameters = op.parameters || [];
  if (parameters.length) {
    inner.append(table("Parameters", parameters.map((parameter) =>
      row(parameter.name + " (" + parameter.in + ")", parameter.schema, parameter.description, parameter.required))));
  }
  if (op.requestBody) inner.append(el("h4", {}, "Body"), ...content(op.requestBody));
  for (const [status, response] of Object.entries(op.responses || {})) {
    inner.append(el("h4", {}, "Reply " + status), el("p", {}, response.description || ""), ...content(response));
  }
  const heading = el("h3", {}, el("span", { class: "method" }, method.toUpperCase()), el("span", { class: "path" }, path));
  const summary = el("summary", {}, heading, " ", el("span", { class: "about" }, op.summary || ""));
  return el("details", { id, "data-find": (method + " " + path + " " + (op.summary || "")).toLowerCase() }, summary, inner);
};

const schemaBox = (name, schema) => {
  const inner = el("div", { class: "inner" });
  if (schema.description) inner.append(el("p", {}, schema.description));
  const rows = fields(schema);
  if (rows.length) inner.append(table("Fields", rows));
  const variants = schema.oneOf || schema.anyOf || schema.allOf || [];
  for (const variant of variants) {
    const rows = fields(variant);
    inner.append(el("p", {}, variant.description || "", " "), rows.length ? table("Fields", rows) : el("p", {}, ...typeOf(variant)));
  }
  if (!rows.length && !variants.length) inner.append(el("p", {}, ...typeOf(schema)));
  return el("details", { id: "schema-" + slug(name), "data-find": name.toLowerCase() }, el("summary", {}, el("h3", {}, name)), inner);
};

// A link into a closed box opens it.
const openTarget = () => {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target && target.tagName === "DETAILS") {
    target.open = true;
    target.querySelector("summary").focus();
  }
};

const render = (api) => {
  const main = document.getElementById("main");
  const toc = document.getElementById("toc");
  document.getElementById("about").textContent = api.info.description || "";
  document.getElementById("state").remove();
  const tags = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, op] of Object.entries(methods)) {
      const tag = (op.tags && op.tags[0]) || "other";
      if (!tags.has(tag)) tags.set(tag, []);
      tags.get(tag).push(operation(method, path, op));
    }
  }
  for (const [tag, boxes] of tags) {
    main.append(el("section", {}, el("h2", {}, tag), ...boxes));
    for (const box of boxes) {
      const words = box.querySelector("h3");
      const link = el("a", { href: "#" + box.id }, words.textContent.replace(/^[A-Z]+/, "$& "));
      toc.append(el("li", { "data-find": box.dataset.find }, link));
    }
  }
  const schemas = Object.entries((api.components && api.components.schemas) || {});
  main.append(el("section", {}, el("h2", {}, "Objects"), ...schemas.map(([name, schema]) => schemaBox(name, schema))));
  document.getElementById("find").addEventListener("input", (event) => {
    const words = event.target.value.toLowerCase().trim();
    for (const node of document.querySelectorAll("[data-find]")) node.hidden = !node.dataset.find.includes(words);
  });
  addEventListener("hashchange", openTarget);
  openTarget();
};

fetch("/api/v1/openapi.json")
  .then((reply) => (reply.ok ? reply.json() : Promise.reject(new Error("status " + reply.status))))
  .then(render)
  .catch((error) => { document.getElementById("state").textContent = "The document cannot be read: " + error.message; });
