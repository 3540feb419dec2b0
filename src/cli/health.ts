import { once } from "node:events";
import http, { type IncomingMessage } from "node:http";
import https from "node:https";
import { text } from "node:stream/consumers";
import { Command } from "commander";
import { ConfigError, loadConfig } from "../config.ts";
import { urlOf } from "./address.ts";
import { StartError } from "./failures.ts";
import { addSettings, flagsOf } from "./options.ts";

// Milliseconds. A server asks its stores for five seconds before it says that they do not answer.
const TIMEOUT = 8000;

export function healthCommand(): Command {
  const command = new Command("health")
    .description(
      "Ask a running server whether it is ready; exit 0 if so, else 1. For the health checks of containers.",
    )
    .option("--url <url>", "The server's address. Default: what the settings say.")
    .action(async (options) => {
      const { host, port, tlsCert } = loadConfig(flagsOf(options)).config;
      if (options.url !== undefined) await checkHealth(options.url);
      else if (tlsCert === "") await checkHealth(urlOf(host, port));
      else await checkHealth(urlOf(host, port, "https"), OWN_MACHINE);
      process.stdout.write("ready\n");
    });
  return addSettings(command, ["port", "host", "tlsCert"]);
}

// Certificates are for names that others call the server by, and between here and there is nobody.
const OWN_MACHINE = { rejectUnauthorized: false };

/** @throws StartError that says why it is not ready. */
async function checkHealth(url: string, trust: https.RequestOptions = {}): Promise<void> {
  const address = URL.parse(`${url.replace(/\/$/, "")}/readyz`);
  if (address === null || !["http:", "https:"].includes(address.protocol)) {
    throw new ConfigError(`--url: '${url}' is not an address such as http://127.0.0.1:4000`);
  }
  const { status, body } = await read(address, trust).catch((error: Error) => {
    throw new StartError(`${address} does not answer: ${error.message}`);
  });
  if (status !== 200) throw new StartError(`${address} answers ${status}: ${body.trim()}`);
}

/** By node:http, for `fetch` refuses ports that browsers think dangerous. */
async function read(
  address: URL,
  trust: https.RequestOptions,
): Promise<{ status: number | undefined; body: string }> {
  const { get } = address.protocol === "https:" ? https : http;
  const request = get(address, { ...trust, signal: AbortSignal.timeout(TIMEOUT) });
  request.on("error", () => undefined);
  const [response] = (await once(request, "response")) as [IncomingMessage];
  return { status: response.statusCode, body: await text(response) };
}
