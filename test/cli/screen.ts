/**
 * A terminal's screen, as far as the views use one: enough of ECMA-48 to know what a person would see. What it does
 * not know it throws on, so that a view cannot rely on it unseen.
 */
import { EventEmitter } from 'node:events';

export class Screen extends EventEmitter {
  readonly isTTY = true;
  writableNeedDrain = false;
  cursorVisible = true;
  /** Calls of write. */
  writes = 0;
  #columns: number;
  #rows: number;
  #cells: string[][];
  #x = 0;
  #y = 0;

  constructor(columns: number, rows: number) {
    super();
    this.#columns = columns;
    this.#rows = rows;
    this.#cells = Array.from({ length: rows }, () => []);
  }

  get columns(): number {
    return this.#columns;
  }

  get rows(): number {
    return this.#rows;
  }

  /** The row of the cursor, from 0. */
  get cursorRow(): number {
    return this.#y;
  }

  /** The screen's text: lines without the blanks at their ends, without the empty lines below. */
  get text(): string {
    return this.#cells
      .map((row) =>
        Array.from(row, (cell) => cell ?? ' ')
          .join('')
          .trimEnd(),
      )
      .join('\n')
      .trimEnd();
  }

  resize(columns: number, rows: number): void {
    this.#columns = columns;
    this.#rows = rows;
    this.#cells = Array.from({ length: rows }, (_, y) => (this.#cells[y] ?? []).slice(0, columns));
    this.#y = Math.min(this.#y, rows - 1);
    this.emit('resize');
  }

  write(text: string): boolean {
    this.writes++;
    const control = /\[(\??)([\d;]*)([A-Za-z])/y;
    for (let i = 0; i < text.length; ) {
      control.lastIndex = i + 1;
      const found = text[i] === '\x1b' ? control.exec(text) : null;
      if (found === null) this.#put(text[i++]!);
      else {
        this.#control(`${found[1]}${found[3]}`, found[2]!);
        i = control.lastIndex;
      }
    }
    return true;
  }

  #put(character: string): void {
    if (character === '\r') this.#x = 0;
    else if (character === '\n') this.#newLine();
    else if (character < ' ' || character === '\x7f')
      throw new Error(`control character ${JSON.stringify(character)}`);
    else {
      // A full line waits for the next character before it wraps.
      if (this.#x >= this.#columns) this.#newLine();
      this.#cells[this.#y]![this.#x++] = character;
    }
  }

  /** As a terminal driver does with a line feed: carriage return and line feed. */
  #newLine(): void {
    this.#x = 0;
    if (this.#y < this.#rows - 1) this.#y++;
    else {
      this.#cells.shift();
      this.#cells.push([]);
    }
  }

  #control(name: string, parameters: string): void {
    const row = this.#cells[this.#y]!;
    // Many terminals stay on the last column of a full line, and erase its character.
    const column = Math.min(this.#x, this.#columns - 1);
    if (name === 'm') return;
    if (name === 'A') this.#y = Math.max(0, this.#y - Number(parameters || 1));
    else if (name === 'G') this.#x = Number(parameters || 1) - 1;
    else if (name === 'H' && parameters === '') {
      this.#x = 0;
      this.#y = 0;
    } else if (name === 'K' && (parameters === '' || parameters === '0'))
      row.length = Math.min(row.length, column);
    else if (name === 'K' && parameters === '2') row.length = 0;
    else if (name === 'J' && parameters === '') {
      row.length = Math.min(row.length, column);
      for (let y = this.#y + 1; y < this.#rows; y++) this.#cells[y] = [];
    } else if (name === 'J' && parameters === '2') this.#cells = Array.from({ length: this.#rows }, () => []);
    else if (name === '?h' && parameters === '25') this.cursorVisible = true;
    else if (name === '?l' && parameters === '25') this.cursorVisible = false;
    else if (!(parameters === '7' && (name === '?h' || name === '?l'))) {
      throw new Error(`unknown control sequence ${name} ${parameters}`);
    }
  }
}

/** A clock that moves when told to, and calls what is due. */
export class ManualClock {
  milliseconds: number;
  readonly #timers = new Set<{ readonly every: number; due: number; readonly call: () => void }>();
  readonly #unixOffset: number;

  constructor(unixMilliseconds: number, monotonicMilliseconds = 5_000) {
    this.milliseconds = monotonicMilliseconds;
    this.#unixOffset = unixMilliseconds - monotonicMilliseconds;
  }

  unixMilliseconds(): number {
    return this.milliseconds + this.#unixOffset;
  }

  monotonicMilliseconds(): number {
    return this.milliseconds;
  }

  every(every: number, call: () => void): () => void {
    const timer = { every, due: this.milliseconds + every, call };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  get timers(): number {
    return this.#timers.size;
  }

  advance(milliseconds: number): void {
    const end = this.milliseconds + milliseconds;
    for (;;) {
      const next = [...this.#timers].sort((a, b) => a.due - b.due)[0];
      if (next === undefined || next.due > end) break;
      this.milliseconds = next.due;
      next.due += next.every;
      next.call();
    }
    this.milliseconds = end;
  }
}
