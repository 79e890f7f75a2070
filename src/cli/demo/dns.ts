/** As much of the DNS (RFC 1035 §4) as the demo speaks: a question, and an answer with one address. */

export const DNS_TYPE_A = 1;
export const DNS_TYPE_AAAA = 28;
const CLASS_IN = 1;
const HEADER_OCTETS = 12;
const FLAG_RESPONSE = 0x8000;
const FLAG_RECURSION_DESIRED = 0x0100;
const FLAG_RECURSION_AVAILABLE = 0x0080;
/** The longest name, in labels with their lengths (§3.1). */
const LONGEST_NAME = 255;

export interface DnsQuestion {
  readonly id: number;
  readonly name: string;
  readonly type: number;
}

/** A query for one name. */
export function encodeQuery(question: DnsQuestion): Uint8Array {
  const name = encodeName(question.name);
  const octets = new Uint8Array(HEADER_OCTETS + name.length + 4);
  const view = new DataView(octets.buffer);
  view.setUint16(0, question.id);
  view.setUint16(2, FLAG_RECURSION_DESIRED);
  view.setUint16(4, 1); // questions
  octets.set(name, HEADER_OCTETS);
  view.setUint16(HEADER_OCTETS + name.length, question.type);
  view.setUint16(HEADER_OCTETS + name.length + 2, CLASS_IN);
  return octets;
}

/** The answer to {@link encodeQuery}'s question: one record with that address (4 or 16 octets). */
export function encodeAnswer(question: DnsQuestion, address: Uint8Array): Uint8Array {
  const query = encodeQuery(question);
  const octets = new Uint8Array(query.length + 12 + address.length);
  octets.set(query);
  const view = new DataView(octets.buffer);
  view.setUint16(2, FLAG_RESPONSE | FLAG_RECURSION_DESIRED | FLAG_RECURSION_AVAILABLE);
  view.setUint16(6, 1); // answers
  const at = query.length;
  view.setUint16(at, 0xc000 | HEADER_OCTETS); // the question's name (§4.1.4)
  view.setUint16(at + 2, question.type);
  view.setUint16(at + 4, CLASS_IN);
  view.setUint32(at + 6, 60); // seconds to live
  view.setUint16(at + 10, address.length);
  octets.set(address, at + 12);
  return octets;
}

/** The question of a query; undefined where it is not one question that this file can read. */
export function decodeQuery(octets: Uint8Array): DnsQuestion | undefined {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.length);
  if (octets.length < HEADER_OCTETS || view.getUint16(2) & FLAG_RESPONSE || view.getUint16(4) !== 1) {
    return undefined;
  }
  const labels: string[] = [];
  let at = HEADER_OCTETS;
  while (at < octets.length && at - HEADER_OCTETS < LONGEST_NAME) {
    const length = octets[at]!;
    at++;
    if (length === 0) {
      if (at + 4 > octets.length) return undefined;
      return { id: view.getUint16(0), name: labels.join('.'), type: view.getUint16(at) };
    }
    if (length > 63 || at + length > octets.length) return undefined;
    labels.push(String.fromCharCode(...octets.subarray(at, at + length)));
    at += length;
  }
  return undefined;
}

function encodeName(name: string): Uint8Array {
  const octets: number[] = [];
  for (const label of name.split('.')) octets.push(label.length, ...Buffer.from(label, 'latin1'));
  return Uint8Array.from([...octets, 0]);
}
