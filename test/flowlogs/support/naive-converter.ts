/**
 * The converter, told once more and deliberately naive: lines and fields split as strings, a Map by name, sums as
 * BigInt. Written from AWS's description of the logs and from the mapping alone; what it says, the program has to say.
 */

import { INT32_FIELDS, INT64_FIELDS } from './fields.ts';

export interface NaiveOptions {
  readonly rejects: 'keep' | 'drop' | 'only';
  readonly vantage: 'ingress' | 'egress' | 'both';
}

export const KEEP_ALL: NaiveOptions = { rejects: 'keep', vantage: 'both' };

/** What a collector has to be told of a line. */
export interface NaiveRecord {
  /** Which of the lines it is; the first is 1, a header not counted. */
  readonly line: number;
  readonly ipVersion: 4 | 6;
  /** All hexadecimal digits, 8 or 32: the real ends, where they are known. */
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly protocol: number;
  readonly tcpFlags: number;
  readonly packets: bigint;
  readonly octets: bigint;
  readonly startMilliseconds: number;
  readonly endMilliseconds: number;
  /** `eni-…`, of a transit gateway `tgw-attach-…`; undefined: the log does not say. */
  readonly interfaceId: string | undefined;
  readonly direction: 'ingress' | 'egress' | undefined;
  readonly action: 'ACCEPT' | 'REJECT' | undefined;
  /** Everything that the line says, as it says it. */
  readonly said: ReadonlyMap<string, string>;
}

export interface NaiveCounts {
  lines: number;
  records: number;
  nodata: number;
  skipdata: number;
  faults: number;
  droppedRejects: number;
  droppedVantage: number;
}

export interface NaiveResult {
  readonly records: NaiveRecord[];
  readonly counts: NaiveCounts;
}

/** What the lines of one format say. */
export function convertNaively(
  fields: readonly string[],
  lines: readonly string[],
  options: NaiveOptions = KEEP_ALL,
): NaiveResult {
  const counts = {
    lines: 0,
    records: 0,
    nodata: 0,
    skipdata: 0,
    faults: 0,
    droppedRejects: 0,
    droppedVantage: 0,
  };
  const records: NaiveRecord[] = [];
  for (const text of lines) {
    counts.lines++;
    const outcome = understood(fields, text, counts.lines);
    if (outcome === 'NODATA') counts.nodata++;
    else if (outcome === 'SKIPDATA') counts.skipdata++;
    else if (outcome === 'fault') counts.faults++;
    else {
      counts.records++;
      if (isOtherAction(outcome, options)) counts.droppedRejects++;
      else if (isOtherVantage(outcome, options)) counts.droppedVantage++;
      else records.push(outcome);
    }
  }
  return { records, counts };
}

/** A file's text: the first line is the header. */
export function convertTextNaively(text: string, options: NaiveOptions = KEEP_ALL): NaiveResult {
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''));
  if (lines.at(-1) === '') lines.pop();
  const [header = '', ...rest] = lines;
  return convertNaively(header.split(' '), rest, options);
}

function isOtherAction({ action }: NaiveRecord, { rejects }: NaiveOptions): boolean {
  if (rejects === 'drop') return action === 'REJECT';
  return rejects === 'only' && action !== 'REJECT';
}

/** What says no direction is nobody's second view of a conversation that the other end logs: it is kept. */
function isOtherVantage({ direction }: NaiveRecord, { vantage }: NaiveOptions): boolean {
  return vantage !== 'both' && direction !== undefined && direction !== vantage;
}

function understood(
  fields: readonly string[],
  text: string,
  line: number,
): NaiveRecord | 'NODATA' | 'SKIPDATA' | 'fault' {
  const values = text.split(' ');
  if (values.length !== fields.length) return 'fault';
  const said = new Map(fields.map((field, i) => [field, values[i]!]));
  /** `-` is the same as nothing. */
  const get = (field: string) => (said.get(field) === '-' ? undefined : said.get(field));
  const status = get('log-status') ?? 'OK';
  if (status === 'NODATA' || status === 'SKIPDATA') return status;
  if (status !== 'OK') return 'fault';

  for (const field of [...INT32_FIELDS, ...INT64_FIELDS]) {
    const value = get(field);
    if (value !== undefined && !isWhole(value, INT32_FIELDS.includes(field) ? 31n : 63n)) return 'fault';
  }
  // An end that the whole format leaves out is the unspecified address, of the other's family.
  const hasEnd = (end: string) => fields.includes(`${end}addr`) || fields.includes(`pkt-${end}addr`);
  const told = (end: string) => hexOfAddress(get(`pkt-${end}addr`) ?? get(`${end}addr`) ?? '');
  const source = hasEnd('src') ? told('src') : (told('dst') ?? '00000000').replaceAll(/./g, '0');
  const destination = hasEnd('dst') ? told('dst') : (told('src') ?? '00000000').replaceAll(/./g, '0');
  if (source === undefined || source.length !== destination?.length) return 'fault';
  const number = (field: string) => Number(get(field) ?? '0');
  const isTooLarge = number('srcport') > 65_535 || number('dstport') > 65_535 || number('protocol') > 255;
  if (isTooLarge || number('tcp-flags') > 65_535) return 'fault';
  // So does the one time for the other.
  const start = fields.includes('start') ? get('start') : get('end');
  const end = fields.includes('end') ? get('end') : get('start');
  if (start === undefined || end === undefined || Number(end) < Number(start)) return 'fault';
  const action = get('action');
  if (action !== undefined && action !== 'ACCEPT' && action !== 'REJECT') return 'fault';
  const direction = get('flow-direction');
  if (direction !== undefined && direction !== 'ingress' && direction !== 'egress') return 'fault';
  return {
    line,
    ipVersion: source.length === 8 ? 4 : 6,
    source,
    destination,
    sourcePort: number('srcport'),
    destinationPort: number('dstport'),
    protocol: number('protocol'),
    tcpFlags: number('tcp-flags'),
    packets: BigInt(get('packets') ?? '0'),
    octets: BigInt(get('bytes') ?? '0'),
    startMilliseconds: Number(start) * 1000,
    endMilliseconds: Number(end) * 1000,
    interfaceId: said.has('interface-id') ? get('interface-id') : get('tgw-attachment-id'),
    direction,
    action,
    said: new Map([...said].filter(([, value]) => value !== '-')),
  };
}

function isWhole(text: string, bits: bigint): boolean {
  return /^\d+$/.test(text) && BigInt(text) < 1n << bits;
}

/** Undefined: it is no address. */
export function hexOfAddress(text: string): string | undefined {
  return text.includes(':') ? hexOfIpv6(text) : hexOfIpv4(text);
}

function hexOfIpv4(text: string): string | undefined {
  const parts = text.split('.');
  const isAddress = parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256);
  return isAddress ? parts.map((part) => Number(part).toString(16).padStart(2, '0')).join('') : undefined;
}

/** RFC 4291 §2.2. */
function hexOfIpv6(text: string): string | undefined {
  const [, front, last] = /^(.*:)([^:]*\..*)$/.exec(text) ?? [];
  if (front !== undefined) {
    const embedded = hexOfIpv4(last!);
    return embedded && hexOfIpv6(`${front}${embedded.slice(0, 4)}:${embedded.slice(4)}`);
  }
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [left, right] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const given = [...left!, ...(right ?? [])];
  if (!given.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  if (right === undefined ? given.length !== 8 : given.length > 7) return undefined;
  const zeros = new Array<string>(8 - given.length).fill('0');
  const groups = [...left!, ...zeros, ...(right ?? [])];
  return groups.map((group) => group.toLowerCase().padStart(4, '0')).join('');
}

/** Fields whose value the record has already, unless the packet's own goes before it: then they are told as strings. */
const ENDS: ReadonlyMap<string, string> = new Map([
  ['srcaddr', 'pkt-srcaddr'],
  ['dstaddr', 'pkt-dstaddr'],
]);

/** Whether a field of this format is told as a string beside the record's own address. */
export function isToldBeside(field: string, fields: readonly string[]): boolean {
  const own = ENDS.get(field);
  return own !== undefined && fields.includes(own);
}

/** The numbers that v5 has room for: exact sums, none above 2^32 − 1. */
export const MOST_IN_V5 = 2n ** 32n - 1n;
