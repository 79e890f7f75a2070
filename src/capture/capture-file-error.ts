/** Why a capture file could not be read, or not to its end. The message names the file, the offset and what to do. */
export class CaptureFileError extends Error {
  /** As the option `path` gave it; '-': standard input. */
  readonly path: string;
  /** Octets from the start of the file at which the trouble begins; 0 where it could not be opened. */
  readonly offset: number;

  constructor(path: string, offset: number, problem: string, options?: ErrorOptions) {
    super(`${path === '-' ? 'standard input' : path}: ${problem}`, options);
    this.name = 'CaptureFileError';
    this.path = path;
    this.offset = offset;
  }
}
