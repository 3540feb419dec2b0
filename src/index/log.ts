/** Where the index tells what an operator should know. A pino logger is one. */
export interface IndexLog {
  warn(about: object, message: string): void;
  error(about: object, message: string): void;
}
