/**
 * Times relative to a boot instant: First and Last in NetFlow v5, FIRST_SWITCHED and LAST_SWITCHED in v9.
 *
 * They are 32-bit milliseconds, and so is the header's SysUptime; a collector computes
 * boot = header time − SysUptime and adds. So in every datagram boot must be earlier than every First in it,
 * and header time − boot must be below 2^32 ms (49.7 days). Live, boot is one instant and moves forward only
 * when it must; records from files and logs may be older than any fixed boot, so then it is chosen anew for
 * the datagram, and the fields are patched when it is complete.
 */

const SPAN_MILLISECONDS = 2 ** 32;

export class UptimeClock {
  #boot: number;

  /** @param bootMilliseconds Unix milliseconds at which the exporter started; 0: there is no such instant (files) */
  constructor(bootMilliseconds: number) {
    this.#boot = bootMilliseconds;
  }

  /**
   * The boot instant for a datagram.
   * @param clockMilliseconds the header's time
   * @param earliestMilliseconds the earliest First in it
   */
  bootFor(clockMilliseconds: number, earliestMilliseconds: number): number {
    if (this.#boot !== 0 && clockMilliseconds - this.#boot >= SPAN_MILLISECONDS) {
      this.#boot = clockMilliseconds - SPAN_MILLISECONDS / 2;
    }
    const usable = this.#boot !== 0 && this.#boot < earliestMilliseconds;
    return usable ? this.#boot : earliestMilliseconds - 1;
  }
}

/** The times of one datagram's records, and where their uptime fields wait to be patched. */
export class UptimeFields {
  earliestMilliseconds = Number.POSITIVE_INFINITY;
  latestMilliseconds = 0;
  #count = 0;
  readonly #starts: Float64Array;
  readonly #ends: Float64Array;
  readonly #startPositions: Int32Array;
  readonly #endPositions: Int32Array;

  /** @param capacity records that fit a datagram */
  constructor(capacity: number) {
    this.#starts = new Float64Array(capacity);
    this.#ends = new Float64Array(capacity);
    this.#startPositions = new Int32Array(capacity);
    this.#endPositions = new Int32Array(capacity);
  }

  clear(): void {
    this.#count = 0;
    this.earliestMilliseconds = Number.POSITIVE_INFINITY;
    this.latestMilliseconds = 0;
  }

  /** True if a record with these times can share a datagram with those before it. */
  fits(startMilliseconds: number, endMilliseconds: number): boolean {
    const earliest = Math.min(this.earliestMilliseconds, startMilliseconds);
    const latest = Math.max(this.latestMilliseconds, endMilliseconds);
    return this.#count === 0 || latest - earliest < SPAN_MILLISECONDS - 2000;
  }

  /** Notes a record's times (Unix milliseconds) and the octets at which its fields lie in the datagram. */
  add(startMilliseconds: number, endMilliseconds: number, startPosition: number, endPosition: number): void {
    const i = this.#count++;
    this.#starts[i] = startMilliseconds;
    this.#ends[i] = endMilliseconds;
    this.#startPositions[i] = startPosition;
    this.#endPositions[i] = endPosition;
    if (startMilliseconds < this.earliestMilliseconds) this.earliestMilliseconds = startMilliseconds;
    if (endMilliseconds > this.latestMilliseconds) this.latestMilliseconds = endMilliseconds;
  }

  /** The header's time: the exporter's clock, unless the records are too far from it or ahead of it. */
  headerMilliseconds(clockMilliseconds: number): number {
    if (this.#count === 0) return clockMilliseconds;
    const tooFar = clockMilliseconds - this.earliestMilliseconds >= SPAN_MILLISECONDS - 2000;
    return tooFar || clockMilliseconds < this.latestMilliseconds
      ? this.latestMilliseconds
      : clockMilliseconds;
  }

  patch(view: DataView, bootMilliseconds: number): void {
    for (let i = 0; i < this.#count; i++) {
      view.setUint32(this.#startPositions[i]!, this.#starts[i]! - bootMilliseconds);
      view.setUint32(this.#endPositions[i]!, this.#ends[i]! - bootMilliseconds);
    }
  }
}
