/** A shell that is reached by octets: a root shell on a serial line of the machine. */
import type { Duplex } from 'node:stream';

/** Its answers are what stands between two marks that no command writes. */
export class SerialShell {
  readonly #stream: Duplex;
  #received = '';
  #wake: () => void = () => undefined;
  #commands = 0;

  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.setEncoding('utf8').on('data', (text: string) => {
      this.#received += text;
      this.#wake();
    });
  }

  /** Resolves once the shell answers; asks again and again, since nobody tells when it has begun to read. */
  async ready(withinMilliseconds: number): Promise<void> {
    const again = setInterval(() => this.#stream.write('\necho rea""dy\n'), 2000);
    try {
      await this.#until(/^ready\r?$/m, withinMilliseconds);
    } finally {
      clearInterval(again);
    }
    await this.run('stty -echo; PS1=; PS2=; bind "set enable-bracketed-paste off" 2>/dev/null; true');
  }

  /** Runs a line of shell; what it wrote, both streams, and its exit status. */
  async run(line: string, withinMilliseconds = 60_000): Promise<{ output: string; status: number }> {
    const id = ++this.#commands;
    this.#received = '';
    // The quotes keep an echo of the line from looking like the mark.
    this.#stream.write(`echo "<"${id}; ${line}; echo "${id}"":$?>"\n`);
    const [, output = '', status] = await this.#until(
      new RegExp(`<${id}\\r?\\n([^]*?)${id}:(\\d+)>`),
      withinMilliseconds,
    );
    return { output: output.replaceAll('\r', ''), status: Number(status) };
  }

  async #until(pattern: RegExp, withinMilliseconds: number): Promise<RegExpExecArray> {
    const deadline = performance.now() + withinMilliseconds;
    for (;;) {
      const match = pattern.exec(this.#received);
      if (match !== null) return match;
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`waited in vain for ${pattern}: ${this.#received.slice(-500)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}
