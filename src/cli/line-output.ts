/** Lines to a stream that may be slower than they come, or gone. */

/** Characters that are joined into one write. */
const BATCH_CHARACTERS = 65_536;
/** Characters that wait for a reader that has stalled; what comes beyond is dropped and counted. */
const MAX_WAITING_CHARACTERS = 16 * 1024 * 1024;

export interface LineOutputEvents {
  /** The reader does not keep up: hold back what can be held back. */
  congested(): void;
  /** It has caught up. */
  drained(): void;
  /** It has gone (EPIPE), or the stream has failed: nothing will be written any more. */
  closed(error: NodeJS.ErrnoException): void;
}

export class LineOutput {
  /** Lines that the reader was too slow for. */
  dropped = 0;
  readonly #stream: NodeJS.WritableStream;
  readonly #events: LineOutputEvents;
  #text = '';
  #scheduled = false;
  #congested = false;
  #closed = false;
  readonly #onDrain = () => this.#drained();
  readonly #onError = (error: NodeJS.ErrnoException) => {
    this.#closed = true;
    this.#text = '';
    this.#events.closed(error);
  };

  constructor(stream: NodeJS.WritableStream, events: LineOutputEvents) {
    this.#stream = stream;
    this.#events = events;
  }

  start(): void {
    this.#stream.on('drain', this.#onDrain);
    this.#stream.on('error', this.#onError);
  }

  /** Takes a line without its line feed. */
  line(line: string): void {
    if (this.#closed) return;
    if (this.#text.length + line.length >= MAX_WAITING_CHARACTERS) {
      this.dropped++;
      return;
    }
    this.#text += `${line}\n`;
    if (this.#congested) return;
    if (this.#text.length >= BATCH_CHARACTERS) this.#write();
    else if (!this.#scheduled) {
      // Once a turn of the event loop: at once for a single line, in one piece for many.
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        if (!this.#congested) this.#write();
      });
    }
  }

  /** Writes what waits, and resolves when it has left, or has not within the time. */
  async finish(milliseconds = 2000): Promise<void> {
    if (!this.#closed) {
      const text = this.#text;
      this.#text = '';
      let timer: ReturnType<typeof setTimeout> | undefined;
      await Promise.race([
        new Promise<void>((resolve) => this.#stream.write(text, () => resolve())),
        new Promise<void>((resolve) => {
          timer = setTimeout(resolve, milliseconds);
        }),
      ]);
      clearTimeout(timer);
    }
    this.#closed = true;
    this.#stream.off('drain', this.#onDrain);
    this.#stream.off('error', this.#onError);
  }

  #write(): void {
    if (this.#closed || this.#text === '') return;
    const text = this.#text;
    this.#text = '';
    if (this.#stream.write(text)) return;
    this.#congested = true;
    this.#events.congested();
  }

  #drained(): void {
    if (!this.#congested) return;
    this.#congested = false;
    this.#write();
    if (!this.#congested) this.#events.drained();
  }
}
