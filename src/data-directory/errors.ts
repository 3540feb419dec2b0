import { StartError } from "../core/start-error.ts";

/** Why a data directory cannot be used, in one sentence for whoever started the process. */
export class DataDirectoryError extends StartError {
  override readonly name: string = "DataDirectoryError";
}

/** Another process has it open. */
export class DataDirectoryInUseError extends DataDirectoryError {}
