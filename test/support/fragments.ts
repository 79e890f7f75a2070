/** Cuts a frame's IP packet into fragments: for tests. */

import { ethernetFrame, type Packet } from './frames.ts';

const ETHERNET = 14;

/** Ethernet frames, in order. @param sizes octets of data of each but the last: multiples of 8 */
export function fragmentFrames(
  packet: Packet,
  identification: number,
  sizes: readonly number[],
): Uint8Array[] {
  const whole = ethernetFrame(packet);
  const link = [...whole.subarray(0, ETHERNET)];
  const is4 = packet.source.includes('.');
  const header = [...whole.subarray(ETHERNET, ETHERNET + (is4 ? 20 : 40))];
  const data = [...whole.subarray(ETHERNET + header.length)];
  const frames: Uint8Array[] = [];
  let offset = 0;
  for (const size of [...sizes, data.length - sizes.reduce((sum, size) => sum + size, 0)]) {
    const part = data.slice(offset, offset + size);
    const more = offset + size < data.length;
    frames.push(Uint8Array.from([...link, ...fragment(header, part, identification, offset, more)]));
    offset += size;
  }
  return frames;
}

function fragment(
  header: readonly number[],
  data: readonly number[],
  identification: number,
  offset: number,
  more: boolean,
): number[] {
  const head = [...header];
  if (head.length === 20) {
    const total = 20 + data.length;
    const flagsAndOffset = (more ? 0x2000 : 0) | (offset / 8);
    const words = [total, identification, flagsAndOffset].flatMap((word) => [word >> 8, word & 0xff]);
    head.splice(2, 6, ...words);
    return [...head, ...data];
  }
  const payload = 8 + data.length;
  const next = head[6]!;
  head.splice(4, 3, payload >> 8, payload & 0xff, 44);
  const offsetAndMore = offset | (more ? 1 : 0);
  const id = [24, 16, 8, 0].map((shift) => (identification >>> shift) & 0xff);
  return [...head, next, 0, offsetAndMore >> 8, offsetAndMore & 0xff, ...id, ...data];
}
