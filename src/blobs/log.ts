/** Where the store tells what an operator should know. A pino logger is one. */
export interface BlobLog {
  warn(about: object, message: string): void;
}
