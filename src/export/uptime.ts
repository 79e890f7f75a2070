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

/** The times of one datagram's records: their fields hold Unix milliseconds modulo 2^32 until the boot instant is known. */
export class UptimeFields {
  earliestMilliseconds = Number.POSITIVE_INFINITY;
  latestMilliseconds = 0;
  #count = 0;
  readonly #positions: Int32Array;

  /** @param capacity records that fit a datagram */
  constructor(capacity: number) {
    this.#positions = new Int32Array(2 * capacity);
  }

  clear(): void {
    this.#count = 0;
    this.earliestMilliseconds = Number.POSITIVE_INFINITY;
    this.latestMilliseconds = 0;
  }

  /** True if so many records with these times can share a datagram with those before them. One alone always can. */
  fits(earliestMilliseconds: number, latestMilliseconds: number, records = 1): boolean {
    const earliest = Math.min(this.earliestMilliseconds, earliestMilliseconds);
    const latest = Math.max(this.latestMilliseconds, latestMilliseconds);
    return (this.#count === 0 && records === 1) || latest - earliest < SPAN_MILLISECONDS - 2000;
  }

  /** Notes the times of records (Unix milliseconds), whose fields follow by {@link addFields}. */
  addTimes(earliestMilliseconds: number, latestMilliseconds: number): void {
    if (earliestMilliseconds < this.earliestMilliseconds) this.earliestMilliseconds = earliestMilliseconds;
    if (latestMilliseconds > this.latestMilliseconds) this.latestMilliseconds = latestMilliseconds;
  }

  /** Notes the octets at which a record's fields lie in the datagram. */
  addFields(startPosition: number, endPosition: number): void {
    this.#positions[this.#count++] = startPosition;
    this.#positions[this.#count++] = endPosition;
  }

  /** The header's time: the exporter's clock, unless the records are too far from it or ahead of it. */
  headerMilliseconds(clockMilliseconds: number): number {
    if (this.#count === 0) return clockMilliseconds;
    const tooFar = clockMilliseconds - this.earliestMilliseconds >= SPAN_MILLISECONDS - 2000;
    return tooFar || clockMilliseconds < this.latestMilliseconds
      ? this.latestMilliseconds
      : clockMilliseconds;
  }

  /** Takes the boot instant off all fields. */
  patch(view: DataView, bootMilliseconds: number): void {
    const boot = (bootMilliseconds % SPAN_MILLISECONDS) | 0;
    for (let i = 0; i < this.#count; i++) {
      const position = this.#positions[i]!;
      view.setInt32(position, view.getInt32(position) - boot);
    }
  }
}
