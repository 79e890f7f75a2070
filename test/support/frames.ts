/** Builds Ethernet frames for tests: plain, with correct lengths, checksums left zero (Weir does not verify them). */

export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const PSH = 0x08;
export const ACK = 0x10;

export interface Packet {
  /** Dotted or colon form; the IP version follows from it. */
  source: string;
  destination: string;
  /** IP protocol number. */
  protocol: number;
  sourcePort?: number;
  destinationPort?: number;
  /** TCP flags. */
  flags?: number;
  /** TCP: default 1. */
  sequence?: number;
  /** TCP: default 1. */
  acknowledgment?: number;
  /** TCP: default 65535. */
  window?: number;
  /** Octets behind the transport header. */
  payload?: number;
  tos?: number;
  ttl?: number;
  vlan?: number;
  flowLabel?: number;
}

export function addressOctets(text: string): number[] {
  if (text.includes('.')) return text.split('.').map(Number);
  const [head, tail] = text.split('::') as [string, string | undefined];
  const words = (part: string) =>
    part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16));
  const front = words(head);
  const back = tail === undefined ? [] : words(tail);
  const middle = tail === undefined ? [] : new Array(8 - front.length - back.length).fill(0);
  return [...front, ...middle, ...back].flatMap((word) => [word >> 8, word & 0xff]);
}

const u16 = (value: number): number[] => [(value >> 8) & 0xff, value & 0xff];

function transportHeader(packet: Packet): number[] {
  const { protocol, sourcePort = 0, destinationPort = 0, flags = ACK, payload = 0 } = packet;
  const { sequence = 1, acknowledgment = 1, window = 0xffff } = packet;
  if (protocol === 6) {
    return [
      ...u16(sourcePort),
      ...u16(destinationPort),
      ...u16(sequence >>> 16),
      ...u16(sequence),
      ...u16(acknowledgment >>> 16),
      ...u16(acknowledgment),
      0x50,
      flags,
      ...u16(window),
      0,
      0,
      0,
      0,
    ];
  }
  if (protocol === 17) return [...u16(sourcePort), ...u16(destinationPort), ...u16(8 + payload), 0, 0];
  // ICMP: type and code stand where the destination port of the key is.
  if (protocol === 1 || protocol === 58) return [...u16(destinationPort), 0, 0, 0, 1, 0, 1];
  return [];
}

/** The whole frame. Its IP length is the frame's less 14 octets, and 4 for a VLAN tag. */
export function ethernetFrame(packet: Packet): Uint8Array {
  const { source, destination, protocol, payload = 0, tos = 0, ttl = 64, vlan = 0, flowLabel = 0 } = packet;
  const is4 = source.includes('.');
  const transport = [...transportHeader(packet), ...new Array<number>(payload).fill(0x77)];
  const ip = is4
    ? [0x45, tos, ...u16(20 + transport.length), 0, 0, 0x40, 0, ttl, protocol, 0, 0]
    : [
        0x60 | (tos >> 4),
        ((tos & 15) << 4) | (flowLabel >> 16),
        ...u16(flowLabel),
        ...u16(transport.length),
        protocol,
        ttl,
      ];
  return Uint8Array.from([
    ...[0x02, 0, 0, 0, 0, 0x02], // destination MAC
    ...[0x02, 0, 0, 0, 0, 0x01], // source MAC
    ...(vlan > 0 ? [0x81, 0x00, ...u16(vlan)] : []),
    ...u16(is4 ? 0x0800 : 0x86dd),
    ...ip,
    ...addressOctets(source),
    ...addressOctets(destination),
    ...transport,
  ]);
}
