import { Command } from "commander";
import { readSources, resolve } from "../config.ts";
import { addSettings, flagsOf } from "./options.ts";
import { countWorkers } from "./workers/count.ts";

export function serveCommand(): Command {
  const command = new Command("serve")
    .description("Serve layers and manifests over HTTP until SIGTERM or SIGINT (Ctrl-C).")
    .addHelpText("after", MORE)
    .action(async (options) => {
      const sources = readSources(flagsOf(options));
      const { config } = resolve(sources);
      const workers = countWorkers(config);
      // The server's code is loaded only where a server runs: health checks start often, and must be cheap.
      if (workers === 1) {
        const { serve } = await import("./server.ts");
        await serve(config);
      } else {
        const { serveByWorkers } = await import("./workers/primary.ts");
        await serveByWorkers(sources, workers);
      }
    });
  return addSettings(command);
}

const MORE = `
Sizes are written as 1048576, 512MiB or 1GB, durations as 500ms, 30s, 10m or 24h.
A flag wins over its variable, a variable over the file, the file over the default; \`layerd config\`
with the same flags shows what is in force. The file is a JSON object such as
  { "port": 8080, "data": "/srv/layers", "maxLayerSize": "10GiB", "allowedHosts": ["layers.test"] }

Examples:
  layerd serve --port 8080 --data /srv/layers
  layerd serve --host 0.0.0.0                      for other machines: whoever reaches it may do everything
  layerd serve --durability os --max-layer-size 2GiB
  layerd serve --memory --memory-limit 4GiB        a throw-away store
  LAYERD_LOG_LEVEL=debug layerd serve              watch what clients send
`;
