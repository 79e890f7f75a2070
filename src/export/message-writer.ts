/** Writes one Message: reserve, write, patch. Network byte order throughout. */
export class MessageWriter {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Octets written. */
  position = 0;
  /** Octets that a Message may have now: its capacity, or less. */
  limit: number;

  /** @param capacity octets that a Message may have at most */
  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity);
    this.view = new DataView(this.bytes.buffer);
    this.limit = capacity;
  }

  /** Below 0 where the limit was lowered within a Message. */
  get room(): number {
    return this.limit - this.position;
  }

  /** The octets written. */
  get written(): Uint8Array {
    return this.bytes.subarray(0, this.position);
  }

  /** Skips `octets`, which are patched later. @returns where they begin */
  reserve(octets: number): number {
    const at = this.position;
    this.position = at + octets;
    return at;
  }

  uint8(value: number): void {
    this.view.setUint8(this.position, value);
    this.position += 1;
  }

  uint16(value: number): void {
    this.view.setUint16(this.position, value);
    this.position += 2;
  }

  uint32(value: number): void {
    this.view.setUint32(this.position, value);
    this.position += 4;
  }

  /** A whole number below 2^53 as 64 bits. */
  uint64(value: number): void {
    writeUint64(this.view, this.position, value);
    this.position += 8;
  }

  /** Zeros up to a multiple of `octets` from the Message's start. */
  pad(octets: number): void {
    while (this.position % octets !== 0) this.uint8(0);
  }

  copy(source: Uint8Array): void {
    this.bytes.set(source, this.position);
    this.position += source.length;
  }
}

/** A whole number below 2^53 as 64 bits in network byte order. */
export function writeUint64(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / 4294967296));
  view.setUint32(at + 4, value >>> 0);
}
