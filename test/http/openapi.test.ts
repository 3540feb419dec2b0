import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import test from "ava";
import type { Service } from "../../src/http/service.ts";
import { simpleRoutes } from "../../src/http/simple/routes.ts";
import { json } from "../tools/json.ts";
import { startServer } from "../tools/server.ts";
import { makeTar } from "../tools/tar.ts";

interface Operation {
  responses: Record<string, { content?: Record<string, { schema?: object }> }>;
}
interface Document {
  openapi: string;
  info: { version: string };
  paths: Record<string, Record<string, Operation>>;
}

async function load(url: string): Promise<Document> {
  return await json(await fetch(`${url}/openapi.json`));
}

/** Holds an answer against the description: the status must be listed, JSON must fit its schema. */
function checker(document: Document) {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema(document, "api");
  return async (path: string, answer: Response, method: string): Promise<string | undefined> => {
    const described = document.paths[path]?.[method.toLowerCase()]?.responses[String(answer.status)];
    if (described === undefined) return `${method} ${path} → ${answer.status} is not described`;
    const text = await answer.text();
    if (method === "HEAD" || described.content === undefined)
      return text === "" ? undefined : "an unexpected body";
    if (described.content["application/json"] === undefined) return undefined;
    const pointer = ["paths", path, method.toLowerCase(), "responses", String(answer.status)]
      .concat(["content", "application/json", "schema"])
      .map((part) => encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1")))
      .join("/");
    const validate = ajv.getSchema(`api#/${pointer}`);
    if (validate === undefined) return `no schema at ${pointer}`;
    return validate(JSON.parse(text))
      ? undefined
      : `${method} ${path}: ${ajv.errorsText(validate.errors)}\n${text}`;
  };
}

test("the description is OpenAPI 3.1 of this version", async (t) => {
  const { url } = await startServer(t);
  const document = await load(url);
  t.regex(document.openapi, /^3\.1\./);
  t.is(document.info.version, JSON.parse(readFileSync("package.json", "utf8")).version);
});

test("every route is described, and nothing else is", async (t) => {
  const { url } = await startServer(t);
  const document = await load(url);
  const routes = simpleRoutes({} as Service).stack.flatMap((layer) =>
    layer.methods
      .filter((method) => method !== "HEAD" || !layer.methods.includes("GET"))
      .map((method) => `${method} ${String(layer.path).replace(/:(\w+)/g, "{$1}")}`),
  );
  const described = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations)
      .filter((method) => method !== "parameters" && !(method === "head" && operations.get !== undefined))
      .map((method) => `${method.toUpperCase()} ${path}`),
  );
  t.deepEqual(described.filter((route) => !/z$/.test(route)).sort(), routes.sort());
});

test("what the running server answers is what the description says", async (t) => {
  const { url } = await startServer(t);
  const check = checker(await load(url));
  const tar = makeTar([{ name: "a", data: Buffer.from("a") }]);
  const absent = `sha256:${"0".repeat(64)}`;
  const call = async (method: string, path: string, actual = path, init: RequestInit = {}) => {
    const answer = await fetch(`${url}${actual}`, { method, ...init });
    const { headers } = answer;
    t.is(await check(path, answer, method), undefined);
    return headers;
  };
  await call("GET", "/");
  await call("GET", "/healthz");
  await call("GET", "/readyz");
  const posted = await fetch(`${url}/layer`, { method: "POST", body: tar });
  const { id } = await json(posted.clone());
  t.is(await check("/layer", posted, "POST"), undefined);
  await call("POST", "/layer", "/layer?digest=x", { body: "x" });
  await call("POST", "/layer", "/layer", { body: "x", headers: { "Content-Encoding": "br" } });
  await call("OPTIONS", "/layer");
  await call("GET", "/layer");
  await call("GET", "/layer", "/layer?n=x");
  const init = { body: "ab", headers: { "Upload-Complete": "?0" } };
  const upload = (await call("POST", "/layer", "/layer", init)).get("location") ?? "";
  await call("HEAD", "/layer/uploads/{id}", upload);
  const part = (offset: string, complete: string) => ({
    body: "cd",
    headers: {
      "Content-Type": "application/partial-upload",
      "Upload-Offset": offset,
      "Upload-Complete": complete,
    },
  });
  await call("PATCH", "/layer/uploads/{id}", upload, part("7", "?0"));
  await call("PATCH", "/layer/uploads/{id}", upload, part("2", "?0"));
  await call("PATCH", "/layer/uploads/{id}", upload, part("4", "?1"));
  await call("DELETE", "/layer/uploads/{id}", upload);
  await call("DELETE", "/layer/uploads/{id}", upload);
  await call("GET", "/layer/{id}", `/layer/${id}`);
  await call("HEAD", "/layer/{id}", `/layer/${id}`);
  await call("GET", "/layer/{id}", `/layer/${id}`, { headers: { Range: "bytes=0-3" } });
  await call("GET", "/layer/{id}", `/layer/${id}`, { headers: { Range: "bytes=999999-" } });
  await call("GET", "/layer/{id}", `/layer/${id}`, { headers: { "If-None-Match": "*" } });
  await call("GET", "/layer/{id}", `/layer/${id}`, { headers: { "If-Match": '"x"' } });
  await call("GET", "/layer/{id}", `/layer/${absent}`);
  await call("GET", "/layer/{id}", "/layer/x");
  await call("PUT", "/layer/{id}", `/layer/${id}`, { body: tar });
  await call("PUT", "/layer/{id}", `/layer/${absent}`, { body: "x" });
  await call("PUT", "/layer/{id}", `/layer/${absent}`, {
    body: "x",
    headers: { "Content-Range": "bytes 0-0/9" },
  });
  await call("PUT", "/layer/{id}", `/layer/${absent}`, {
    body: "x",
    headers: { "Content-Range": "bytes 5-5/9" },
  });
  const manifest = { body: JSON.stringify({ layers: [id], tag: "t" }) };
  await call("POST", "/manifest", "/manifest", manifest);
  await call("POST", "/manifest", "/manifest", { body: JSON.stringify({ layers: [absent] }) });
  await call("POST", "/manifest", "/manifest", { body: "{" });
  await call("GET", "/manifest");
  await call("GET", "/manifest/{id}", "/manifest/t");
  await call("GET", "/manifest/{id}", "/manifest/.t");
  await call("GET", "/manifest/{id}", "/manifest/unknown");
  await call("HEAD", "/manifest/{id}", "/manifest/t");
  await call("DELETE", "/layer/{id}", `/layer/${id}`);
  await call("DELETE", "/manifest/{id}", "/manifest/t");
  await call("DELETE", "/manifest/{id}", "/manifest/t");
  await call("DELETE", "/layer/{id}", `/layer/${id}`);
  await call("DELETE", "/layer/{id}", "/layer/x");
});
