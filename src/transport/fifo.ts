/** First in, first out: a circular buffer that doubles when it is full and allocates nothing otherwise. */
export class Fifo<T> {
  #slots: (T | undefined)[] = new Array(16).fill(undefined); // a power of two, for the mask
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(item: T): void {
    if (this.#length === this.#slots.length) this.#grow();
    this.#slots[(this.#head + this.#length) & (this.#slots.length - 1)] = item;
    this.#length++;
  }

  /** Takes the oldest item out; undefined: empty. */
  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#slots[this.#head];
    this.#slots[this.#head] = undefined; // lets go of the item's memory
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    this.#length--;
    return item;
  }

  /** The oldest item, left where it is; undefined: empty. */
  peek(): T | undefined {
    return this.#slots[this.#head];
  }

  #grow(): void {
    const slots: (T | undefined)[] = new Array(this.#slots.length * 2).fill(undefined);
    for (let i = 0; i < this.#length; i++)
      slots[i] = this.#slots[(this.#head + i) & (this.#slots.length - 1)];
    this.#slots = slots;
    this.#head = 0;
  }
}
