/**
 * Takes a JSON array of objects apart while it comes, so that a million routes are never one string, nor one turn of
 * the event loop.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING = 0x7b; // {
const CLOSING = 0x7d; // }

export class JsonObjects {
  readonly #receive: (text: string) => void;
  /** What has come of an object that is not complete. */
  #begun = '';
  #depth = 0;
  #inString = false;
  #escaped = false;

  /** @param receive takes each object of the array as text, complete and in order */
  constructor(receive: (text: string) => void) {
    this.#receive = receive;
  }

  write(chunk: string): void {
    let start = 0;
    for (let i = 0; i < chunk.length; i++) {
      const code = chunk.charCodeAt(i);
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (code === BACKSLASH) this.#escaped = true;
        else if (code === QUOTE) this.#inString = false;
      } else if (code === QUOTE) this.#inString = true;
      else if (code === OPENING) {
        if (this.#depth++ === 0) start = i;
      } else if (code === CLOSING && this.#depth > 0 && --this.#depth === 0) {
        const text = this.#begun + chunk.slice(start, i + 1);
        this.#begun = '';
        this.#receive(text);
        start = i + 1;
      }
    }
    if (this.#depth > 0) this.#begun += chunk.slice(start);
  }

  /** @throws Error where the array ended within an object */
  end(): void {
    if (this.#depth > 0) throw new Error('its output ends within an object');
  }
}
