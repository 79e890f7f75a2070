/**
 * Several rings on one interface share its packets (PACKET_FANOUT, packet(7)): the kernel hashes addresses, protocol
 * and ports, and each packet goes to one ring. Both directions of a flow have the same hash. A fragment has no ports
 * for the kernel, the first one neither: all fragments of a datagram reach the same ring. PACKET_FANOUT_FLAG_DEFRAG is
 * never set: it would put the fragments together, and one packet would be counted where three were on the wire.
 *
 * A group belongs to one device. The first member founds it with PACKET_FANOUT_FLAG_UNIQUEID, so that the kernel finds
 * a number that no other program has; the others join by that number. An interface that is deleted and made again is
 * another device, and gets another group.
 */

/** PACKET_FANOUT_HASH (0) | PACKET_FANOUT_FLAG_UNIQUEID, in the upper half of the argument. */
const FOUND = 0x2000 << 16;

/** The rings on one interface, each in a thread of its own, as one of them sees it. */
export interface FanoutGroup {
  /**
   * Founds the group of this device, or joins it. One member at a time: the others wait.
   * @param open opens the ring with PACKET_FANOUT's argument
   */
  join<R extends { readonly fanout: number }>(interfaceIndex: number, open: (fanout: number) => R): R;
  /**
   * To be called when the ring is open, or its interface is down. Resolves when every member is that far. Whoever
   * captured before would get packets that are another member's from then on.
   */
  complete(): Promise<void>;
}

const LOCK = 0;
const INTERFACE = 1;
const ARGUMENT = 2;
const WORDS = 3;
/** Opening a ring takes milliseconds. Whoever holds the lock for so long has died with it. */
const LOCK_MILLISECONDS = 2000;

/** A group whose number lies in memory that its members' threads share. */
export class SharedFanoutGroup implements FanoutGroup {
  readonly complete: () => Promise<void>;
  readonly #words: Int32Array;

  constructor(memory: SharedArrayBuffer, complete: () => Promise<void>) {
    this.#words = new Int32Array(memory);
    this.complete = complete;
  }

  static memory(): SharedArrayBuffer {
    return new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT);
  }

  /** No member is left: the kernel has given the number up, and others may have it by now. */
  static forget(memory: SharedArrayBuffer): void {
    new Int32Array(memory).fill(0);
  }

  join<R extends { readonly fanout: number }>(interfaceIndex: number, open: (fanout: number) => R): R {
    const words = this.#words;
    while (Atomics.compareExchange(words, LOCK, 0, 1) !== 0) {
      if (Atomics.wait(words, LOCK, 1, LOCK_MILLISECONDS) === 'timed-out') break;
    }
    try {
      if (words[INTERFACE] === interfaceIndex) return open(words[ARGUMENT]!);
      const ring = open(FOUND);
      words[INTERFACE] = interfaceIndex;
      words[ARGUMENT] = ring.fanout;
      return ring;
    } finally {
      Atomics.store(words, LOCK, 0);
      Atomics.notify(words, LOCK, 1);
    }
  }
}
