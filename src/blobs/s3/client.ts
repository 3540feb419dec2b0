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
// A connection over which nothing comes or goes for so long is given up.
const IDLE = 30_000;
// Every upload has two requests under way, every download one.
const SOCKETS_MAX = 512;
const ATTEMPTS = 3;

/** Credentials come from where the SDK looks for them: environment, shared files, the machine's role. */
export function createClient(options: S3Options, endpoint: string | undefined): S3Client {
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
      socketTimeout: IDLE,
      httpAgent: { keepAlive: true, maxSockets: SOCKETS_MAX },
      httpsAgent: { keepAlive: true, maxSockets: SOCKETS_MAX },
    },
  });
}
