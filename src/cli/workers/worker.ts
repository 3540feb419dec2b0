import { resolve } from "../../config.ts";
import { createProcessMetrics, type Layerd, type Samples } from "../../create.ts";
import { type Log, openLog } from "../log.ts";
import { onFatal } from "../process.ts";
import { Service } from "../service.ts";
import type { Order } from "./messages.ts";
import { AuditLines, report } from "./report.ts";

/** Serves until it is `stopped`, which it may be already. @throws what keeps it from starting. */
export async function work({ number, sources }: OrderOf<"start">, stopped: Promise<void>): Promise<void> {
  const { config } = resolve(sources);
  const log = openLog(config, number);
  onFatal(log);
  const audit = new AuditLines();
  const service = await Service.open(
    config,
    log,
    config.auditLog === "" ? {} : { logAudit: (line) => audit.add(line) },
  );
  try {
    onOrder("reload-identity", () => service.reloadIdentity());
    if (config.metricsPort !== "off") answerQuestions(service.layerd, log);
    await report({ type: "listening", port: await service.listen() });
    await stopped;
    await service.finish();
  } finally {
    await service.close();
    await audit.flush();
  }
  await log.drain();
}

type OrderOf<T extends Order["type"]> = Extract<Order, { type: T }>;

function onOrder<T extends Order["type"]>(type: T, obey: (order: OrderOf<T>) => void): void {
  process.on("message", (order: Order) => {
    if (order.type === type) obey(order as OrderOf<T>);
  });
}

/** Resolves when the first process gives such an order, from now on. */
export async function ordered(type: Order["type"]): Promise<void> {
  await new Promise<void>((done) => onOrder(type, () => done()));
}

function answerQuestions(layerd: Layerd, log: Log): void {
  const ofProcess = createProcessMetrics();
  const measure = async (): Promise<Samples> =>
    (await Promise.all([layerd.samples(), ofProcess.samples()])).flat();
  onOrder("measure", ({ question }) => {
    measure()
      .catch((err: unknown) => {
        log.logger.error({ err }, "the metrics could not be read");
        return undefined;
      })
      .then((samples) => report({ type: "measured", question, samples }));
  });
}
