// The API, drawn from /openapi.json: nothing is loaded from elsewhere, so it works without any network.

import { byId, el, show, text } from "/web/dom.js";

const METHODS = ["get", "post", "put", "patch", "delete"];
const FORM = "multipart/form-data";

start();

async function start() {
  try {
    const answer = await fetch("/openapi.json");
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    draw(await answer.json());
  } catch (error) {
    text(byId("fault"), `The description of the API cannot be had: ${error.message}.`);
    show(byId("fault"), true);
  }
}

function draw(spec) {
  text(byId("version"), spec.info.version);
  text(byId("description"), spec.info.description.replaceAll("`", ""));
  show(byId("introduction"), true);
  const groups = new Map();
  for (const [path, item] of Object.entries(spec.paths)) {
    for (const method of METHODS.filter((name) => name in item)) {
      const tag = item[method].tags?.[0] ?? "other";
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operation(spec, path, method, item[method]));
    }
  }
  for (const [tag, operations] of groups) {
    byId("groups").append(el("section", { class: "card group" }, el("h2", {}, tag), ...operations));
  }
  byId("filter").addEventListener("input", filter);
  document.getElementById(location.hash.slice(1))?.setAttribute("open", "");
}

function filter() {
  const wanted = byId("filter").value.trim().toLowerCase();
  for (const group of document.querySelectorAll(".group")) {
    let some = false;
    for (const entry of group.querySelectorAll(".operation")) {
      const fits = entry.firstElementChild.textContent.toLowerCase().includes(wanted);
      show(entry, fits);
      some ||= fits;
    }
    show(group, some);
  }
}

function operation(spec, path, method, described) {
  const inside = el("div", { class: "inside" });
  if (described.description) inside.append(el("p", {}, described.description.replaceAll("`", "")));
  const parameters = (described.parameters ?? []).map((each) => ({
    name: each.name, place: each.in, required: each.required, schema: each.schema, says: each.description,
  }));
  if (parameters.length) inside.append(table("Parameters", parameters, true));
  const form = described.requestBody?.content?.[FORM]?.schema;
  if (form) inside.append(table("Form", fieldsOf(resolve(spec, form)), false));
  inside.append(el("pre", {}, example(path, method, form && resolve(spec, form), parameters)));
  const good = Object.entries(described.responses).find(([status]) => status.startsWith("2"));
  const schema = good?.[1].content?.["application/json"]?.schema;
  const fields = schema ? fieldsOf(resolve(spec, schema)).map((each) => ({ ...each, required: false })) : [];
  if (fields.length) inside.append(table(`Answer ${good[0]}`, fields, false));
  inside.append(answers(described.responses));
  return el("details", { class: "operation", id: described.operationId ?? `${method}-${path}` },
    el("summary", {}, el("span", { class: "method", "data-method": method }, method.toUpperCase()),
      el("span", { class: "path" }, path), el("span", { class: "says" }, described.summary ?? "")),
    inside);
}

function table(caption, fields, places) {
  const head = ["name", ...(places ? ["in"] : []), "value", "what it is"];
  const rows = fields.map((field) => el("tr", {},
    el("td", {}, el("code", {}, field.name), field.required ? el("span", { class: "needed" }, " needed") : ""),
    ...(places ? [el("td", {}, field.place)] : []),
    el("td", {}, valueOf(field.schema)),
    el("td", {}, field.says ?? field.schema?.description ?? "")));
  return el("div", { class: "scroll" }, el("table", {}, el("caption", {}, caption),
    el("thead", {}, el("tr", {}, ...head.map((name) => el("th", { scope: "col" }, name)))), el("tbody", {}, ...rows)));
}

function answers(responses) {
  const rows = Object.entries(responses).map(([status, each]) =>
    el("tr", {}, el("td", {}, el("code", {}, status)), el("td", {}, each.description ?? ""),
      el("td", {}, Object.keys(each.content ?? {}).join(", "))));
  return el("div", { class: "scroll" }, el("table", {}, el("caption", {}, "Answers"), el("tbody", {}, ...rows)));
}

function fieldsOf(schema) {
  return Object.entries(schema.properties ?? {}).map(([name, each]) => ({
    name, required: schema.required?.includes(name) ?? false, schema: each,
  }));
}

function resolve(spec, schema) {
  if (!schema.$ref) return schema;
  return schema.$ref.slice(2).split("/").reduce((part, name) => part[name], spec);
}

function valueOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.join(", ");
  if (schema.anyOf) return schema.anyOf.map(valueOf).filter((words) => words !== "null").join(" or ");
  const parts = [schema.type === "array" ? `list of ${valueOf(schema.items)}` : schema.format ?? schema.type ?? ""];
  if (schema.minimum !== undefined || schema.maximum !== undefined) {
    parts.push(`${schema.minimum ?? ""} to ${schema.maximum ?? ""}`);
  }
  if (schema.default !== undefined) parts.push(`default ${schema.default}`);
  return parts.join("; ");
}

function example(path, method, form, parameters) {
  const lines = [`curl${method === "get" ? "" : ` -X ${method.toUpperCase()}`}`];
  for (const name of form?.required ?? []) {
    const schema = form.properties[name] ?? {};
    const file = schema.format === "binary" || schema.items?.format === "binary";
    lines.push(`  -F ${name}=${file ? "@talk.mp4" : schema.examples?.[0] ?? name.toUpperCase()}`);
  }
  const query = parameters.filter((each) => each.place === "query" && each.required).map((each) => `${each.name}=...`);
  lines.push(`  ${location.origin}${path}${query.length ? `?${query.join("&")}` : ""}`);
  return lines.join(" \\\n");
}
