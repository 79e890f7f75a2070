/** What became of the lines: plain counters, read at scrape. */

/** Why a line is neither a record, a NODATA nor a SKIPDATA. The names are metric labels. */
export const FAULT_KINDS = [
  'empty', //          an empty line
  'too_long', //       longer than MOST_LINE_OCTETS; its octets are passed over
  'control_octet', //  NUL or another control character where a field is
  'not_utf8', //       a string is not UTF-8
  'field_count', //    fewer or more fields than the format has
  'number', //         a numeric field is not a decimal number, or out of its range
  'address', //        an address is neither IPv4 nor IPv6, or a flow has none
  'address_family', // one end is IPv4, the other IPv6
  'time', //           start or end is missing, or the end is before the start
  'action', //         neither ACCEPT nor REJECT
  'direction', //      neither ingress nor egress
  'status', //         log-status is neither OK, NODATA nor SKIPDATA
  'cut_off', //        the object ended in the middle of the line
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/**
 * `lines = records + nodata + skipdata + Σ faults`, and
 * `records = converted + droppedRejects + droppedVantage`, whenever the event loop turns. Header lines are not among the lines;
 * a row of Parquet counts as a line.
 */
export class ConvertCounts {
  lines = 0;
  /** Lines that say what was seen. */
  records = 0;
  /** Records handed to the exporters. */
  converted = 0;
  /** Those with action REJECT, among the records. */
  rejects = 0;
  nodata = 0;
  skipdata = 0;
  /** Lines that are not faulty. */
  get goodLines(): number {
    return this.records + this.nodata + this.skipdata;
  }
  readonly faults = new Map<FaultKind, number>(FAULT_KINDS.map((kind) => [kind, 0]));
  /** Records that `--rejects drop` passes over, or accepted ones that `--rejects only` does. */
  droppedRejects = 0;
  /** Records that `--vantage` passes over: of the other direction … */
  droppedVantage = 0;
  /** … and records converted although they tell no direction, while a vantage is chosen. */
  directionless = 0;
  /** Records converted of which an interface had no place any more in the interface map, and is 0. */
  unnumberedInterfaces = 0;
  /** Records of which strings are left empty, so that they fit a datagram: for each collector where that is so. */
  shortened = 0;
  /** Packets and octets of the records converted, and of those passed over. The former as exporter.ts has its counts. */
  packets = Number.MAX_VALUE;
  octets = Number.MAX_VALUE;
  droppedPackets = 0;
  droppedOctets = 0;
  /** Objects that were exported, and those that could not be read to their end or lost records on the way out. */
  objects = 0;
  failedObjects = 0;
  /** Octets of lines read (decompressed text), and as stored of the objects that are done. */
  textOctets = 0;
  storedOctets = 0;

  constructor() {
    this.packets = 0;
    this.octets = 0;
  }
}
