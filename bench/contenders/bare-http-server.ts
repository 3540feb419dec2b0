import { readFileSync } from "node:fs";
import http from "node:http";

/*
 * The least that a Node server can do: `bare-http-server.ts PORT FILE` answers every request with the bytes
 * of FILE, read once. Nothing is looked up, checked or logged.
 */

const [port, file] = process.argv.slice(2);
const bytes = readFileSync(file ?? "");

const server = http.createServer((_request, response) => {
  response.writeHead(200, { "Content-Type": "application/octet-stream", "Content-Length": bytes.length });
  response.end(bytes);
});
server.listen(Number(port), "127.0.0.1");
