/** One IPFIX File that is being written (RFC 5655): whole Messages, whatever happens. */
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { exists, partOf, publish } from './file-name.ts';

export class IpfixFile {
  readonly path: string;
  /** Octets of the Messages accepted: what is behind them is cut off. */
  octets = 0;
  /** Messages in it but for those that open the session. */
  carried = 0;
  /** Which interval of time the first of those belongs to; undefined: there is none yet. */
  period: number | undefined;
  readonly #handle: FileHandle;

  private constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  /** Begins a file. @throws the system's error; EEXIST where the name, or that of its part, is taken */
  static async begin(path: string): Promise<IpfixFile> {
    if (await exists(path)) throw Object.assign(new Error(`${path} exists`), { code: 'EEXIST' });
    return new IpfixFile(path, await open(partOf(path), 'wx'));
  }

  /**
   * Writes behind the last whole Message. What of it is whole counts only when it is accepted.
   * @returns how many Messages are whole, and the system's error if they are not all
   */
  async write(messages: readonly Uint8Array[]): Promise<{ whole: number; error?: unknown }> {
    const octets = Buffer.concat(messages);
    let written = 0;
    let error: unknown;
    try {
      // A write may end early, for one because a disk is nearly full: only the next one says why.
      while (written < octets.length) {
        written += (await this.#handle.write(octets, written, undefined, this.octets + written)).bytesWritten;
      }
    } catch (thrown) {
      error = thrown;
    }
    let whole = 0;
    while (whole < messages.length && written >= messages[whole]!.length)
      written -= messages[whole++]!.length;
    return { whole, error };
  }

  /** The file ends with this Message, until the next is accepted. */
  accept(message: Uint8Array): void {
    this.octets += message.length;
  }

  /** Cuts off what is behind the last Message accepted. @throws the system's error */
  async cut(): Promise<void> {
    await this.#handle.truncate(this.octets);
  }

  /** Ends the file and gives it its name; one without a Message is taken away. @throws the system's error */
  async finish(): Promise<void> {
    try {
      await this.cut();
      // Before it has its name, so that the name stands for the whole file also after a loss of power.
      await this.#handle.datasync();
    } finally {
      await this.#handle.close();
    }
    if (this.octets === 0) await unlink(partOf(this.path));
    else await publish(this.path);
  }
}
