/** What the sequence numbers of one source say about messages that did not come. */

/** How a message stands to those before it. */
export type Arrival = 'first' | 'next' | 'gap' | 'late' | 'restart';

/** A number this little behind the expected one is a message that was overtaken or duplicated, not a new beginning. */
const LATE_WINDOW = 65_536;

/**
 * Follows one sequence modulo 2^32. The unit is the version's: v5 counts flows and IPFIX Data Records (the number
 * in a header is how many there were before it), v9 counts Export Packets.
 *
 * The last gap is remembered, so that messages that were only overtaken do not stay counted as lost.
 */
export class SequenceTracker {
  /** The number that comes next; -1: not known. */
  #next = -1;
  #gapStart = 0;
  #gapLength = 0;
  /** Units of the last gap that have not come late. */
  #missing = 0;
  #late = false;
  #fillsGap = false;

  /** A message has come with this number. After `gap`, {@link missing} says how many units have not come. */
  arrived(sequence: number): Arrival {
    this.#late = false;
    if (this.#next < 0) return this.#continueAt(sequence, 'first');
    const ahead = (sequence - this.#next) | 0;
    if (ahead === 0) return 'next';
    // An exporter that begins anew begins at 0, however far that is.
    if (sequence === 0 || ahead < -LATE_WINDOW) return this.#continueAt(sequence, 'restart');
    if (ahead < 0) {
      this.#late = true;
      // A duplicate of what has come is late, too, but fills no gap.
      this.#fillsGap = (sequence - this.#gapStart) >>> 0 < this.#gapLength;
      return 'late';
    }
    this.#gapStart = this.#next;
    this.#gapLength = ahead;
    this.#missing = ahead;
    this.#next = sequence;
    return 'gap';
  }

  /** Units of the last gap that have not come. */
  get missing(): number {
    return this.#missing;
  }

  /**
   * The units in the message that has arrived; -1: not known, so that the next message is taken as it comes.
   * @returns units that were counted as missing and have come after all
   */
  advance(units: number): number {
    if (this.#late) {
      const recovered = this.#fillsGap ? Math.min(Math.max(units, 0), this.#missing) : 0;
      this.#missing -= recovered;
      return recovered;
    }
    this.#next = units < 0 ? -1 : (this.#next + units) >>> 0;
    return 0;
  }

  #continueAt(sequence: number, arrival: Arrival): Arrival {
    this.#next = sequence;
    this.#gapLength = 0;
    this.#missing = 0;
    return arrival;
  }
}
