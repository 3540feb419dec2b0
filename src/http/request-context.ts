import type { IncomingMessage, ServerResponse } from "node:http";
import type Koa from "koa";
import type { Logger } from "pino";
import type { Action, Authorize } from "../auth/policy.ts";
import type { Digest } from "../core/digest.ts";
import { LayerdError } from "../core/errors.ts";
import type { RepositoryName, Tag } from "../core/name.ts";
import type { Place } from "../registry/layers.ts";
import type { Route } from "./request-counts.ts";

/** What is known of one request, in one typed place: who asks, in which repository, about what. */
export class RequestContext implements Place {
  /** Names the request in the log and in `X-Request-Id`. */
  readonly id: string;
  readonly who: string;
  readonly user: unknown;
  /** That of the simple API, unless the path names another. */
  repository: RepositoryName;
  /** What the request is about, once its path has been read. */
  digest: Digest | undefined;
  /** Which kind of address it went to. */
  route: Route = "other";
  /** Bytes of the response's body that were handed to the connection. */
  sent = 0;
  /** Headers that every answer to this request carries, as a flat list of names and values. */
  readonly fields: string[];
  readonly #authorize: Authorize;
  readonly #parentLog: Logger;
  #log: Logger | undefined;

  constructor(about: {
    id: string;
    who: string;
    user: unknown;
    repository: RepositoryName;
    authorize: Authorize;
    log: Logger;
  }) {
    this.id = about.id;
    this.who = about.who;
    this.user = about.user;
    this.repository = about.repository;
    this.fields = ["X-Request-Id", about.id];
    this.#authorize = about.authorize;
    this.#parentLog = about.log;
  }

  /** The same name, as those know it who make changes. */
  get request(): string {
    return this.id;
  }

  /** Made at first use: most requests log nothing but their one line. */
  get log(): Logger {
    this.#log ??= this.#parentLog.child({ id: this.id });
    return this.#log;
  }

  /** Resolves, or returns at once, when the caller may. @throws DENIED */
  allow(action: Action, about: About = {}): Promise<void> | undefined {
    if (about.digest !== undefined) this.digest = about.digest;
    const { user, who, repository } = this;
    const verdict = this.#authorize({ user, who, action, repository, ...about });
    if (verdict === true) return undefined;
    return Promise.resolve(verdict).then((allowed) => {
      if (allowed !== true) throw new LayerdError("DENIED", `${who} may not ${action} in ${repository}`);
    });
  }

  /** Whether the caller may do something in another repository. */
  async may(action: Action, repository: RepositoryName, about: About = {}): Promise<boolean> {
    const { user, who } = this;
    return (await this.#authorize({ user, who, action, repository, ...about })) === true;
  }
}

interface About {
  readonly digest?: Digest;
  readonly tag?: Tag;
}

/** Koa's context as layerd's own handlers see it. */
export type Call = Koa.Context & { layerd: RequestContext; req: IncomingMessage; res: ServerResponse };
