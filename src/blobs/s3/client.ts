import { S3Client } from "@aws-sdk/client-s3";

export interface S3Options {
  /** Where the store is, as a URL; without it, Amazon S3. */
  readonly endpoint?: string;
  readonly region: string;
  readonly bucket: string;
  /** Goes before every key: empty, or ending in a slash. */
  readonly prefix?: string;
  /** Whether the bucket stands in the path of URLs rather than in their host. */
  readonly forcePathStyle?: boolean;
  /** The store as clients reach it, for presigned URLs. Default: `endpoint`. */
  readonly publicEndpoint?: string;
}

// Milliseconds.
const CONNECT_WITHIN = 5000;
// A connection over which nothing comes or goes for so long is given up; the SDK begins to count three seconds after the
// request. All attempts together end before the client, by default, is given up as idle: it is to be told.
const IDLE = 12_000;
// The same while S3 puts large objects together, of which it need not say anything before it is done.
const IDLE_COMPLETING = 300_000;
// Every upload has two requests under way, every download one.
const SOCKETS_MAX = 512;
const ATTEMPTS = 3;

/** The same store, for what differs. */
export interface S3Clients {
  readonly client: S3Client;
  /** Waits for what takes S3 long. */
  readonly patient: S3Client;
  /** With the address that clients know, for presigned URLs. */
  readonly public: S3Client;
}

export function createClients(options: S3Options): S3Clients {
  const { endpoint, publicEndpoint = endpoint } = options;
  return {
    client: createClient(options, endpoint, IDLE),
    patient: createClient(options, endpoint, IDLE_COMPLETING),
    public: createClient(options, publicEndpoint, IDLE),
  };
}

/** Credentials come from where the SDK looks for them: environment, shared files, the machine's role. */
function createClient(options: S3Options, endpoint: string | undefined, socketTimeout: number): S3Client {
  return new S3Client({
    region: options.region,
    ...(endpoint === undefined ? {} : { endpoint }),
    forcePathStyle: options.forcePathStyle ?? false,
    maxAttempts: ATTEMPTS,
    // Every payload is signed with its SHA-256, which S3 verifies; another checksum would only cost time, and with
    // checksums Amazon S3 wants part numbers without gaps.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    // To ask whether a part may come, the SDK makes a connection for each, with its handshakes. S3 is asked once, at
    // the start, whether the bucket can be written.
    expectContinueHeader: false,
    requestHandler: {
      connectionTimeout: CONNECT_WITHIN,
      socketTimeout,
      httpAgent: { keepAlive: true, maxSockets: SOCKETS_MAX },
      httpsAgent: { keepAlive: true, maxSockets: SOCKETS_MAX },
    },
  });
}
