import { test } from 'tap';
import { type Frame, LinkType } from '../../src/capture/packet-source.ts';
import { RingBlocks, type RingOrigin } from '../../src/capture/ring-blocks.ts';

const BLOCK = 4096;
const ORIGIN: RingOrigin = {
  linkType: 1,
  interfaceIndex: 3,
  direction: 'ingress',
  startAtNetworkHeader: false,
};

/** One frame as the kernel lays it out (struct tpacket3_hdr, sockaddr_ll, virtio_net_hdr, octets). */
interface Laid {
  seconds?: number;
  nanoseconds?: number;
  wire?: number;
  status?: number;
  mac?: number;
  net?: number;
  vlanTci?: number;
  packetType?: number;
  gsoType?: number;
  gsoSize?: number;
  octets: readonly number[];
  /** Overrides what is right. */
  next?: number;
  captured?: number;
}

const STRIDE = 144; // a multiple of 8, as the kernel's

/** Writes a block with these frames and hands it to us. */
function layBlock(memory: ArrayBuffer, block: number, frames: readonly Laid[]): void {
  const view = new DataView(memory, block * BLOCK, BLOCK);
  view.setUint32(8, 1, true); //              block_status: TP_STATUS_USER
  view.setUint32(12, frames.length, true); // num_pkts
  view.setUint32(16, 48, true); //            offset_to_first_pkt
  for (const [index, frame] of frames.entries()) {
    const at = 48 + STRIDE * index;
    const mac = frame.mac ?? 92;
    const next = index === frames.length - 1 ? 0 : STRIDE;
    view.setUint32(at, frame.next ?? next, true); //                     tp_next_offset
    view.setUint32(at + 4, frame.seconds ?? 0, true); //                 tp_sec
    view.setUint32(at + 8, frame.nanoseconds ?? 0, true); //             tp_nsec
    view.setUint32(at + 12, frame.captured ?? frame.octets.length, true); // tp_snaplen
    view.setUint32(at + 16, frame.wire ?? frame.octets.length, true); // tp_len
    view.setUint32(at + 20, frame.status ?? 1, true); //                 tp_status
    view.setUint16(at + 24, mac, true); //                               tp_mac
    view.setUint16(at + 26, frame.net ?? mac + 14, true); //             tp_net
    view.setUint32(at + 32, frame.vlanTci ?? 0, true); //                tp_vlan_tci
    view.setUint8(at + 58, frame.packetType ?? 0); //                    sll_pkttype
    view.setUint8(at + mac - 9, frame.gsoType ?? 0); //                  gso_type
    view.setUint16(at + mac - 6, frame.gsoSize ?? 0, true); //           gso_size
    for (const [i, octet] of frame.octets.entries()) view.setUint8(at + mac + i, octet);
  }
}

function ring(blockCount = 2, origin: Partial<RingOrigin> = {}, vnetHeader = true) {
  const memory = new ArrayBuffer(BLOCK * blockCount);
  const counters = { frames: 0, kernelDroppedPackets: 0, ringFreezes: 0 };
  const layout = { blockOctets: BLOCK, blockCount, vnetHeader };
  const blocks = new RingBlocks(new Uint8Array(memory), layout, { ...ORIGIN, ...origin }, counters);
  const got: Record<string, unknown>[] = [];
  const calls: string[] = [];
  const receiver = {
    beginBatch: () => calls.push('begin'),
    frame(frame: Frame) {
      const { view, offset, ...rest } = frame;
      got.push({
        ...rest,
        octets: [...new Uint8Array(view.buffer as ArrayBuffer, offset, frame.capturedLength)],
      });
    },
    endBatch() {
      calls.push('end');
      return undefined;
    },
  };
  const status = (block: number) => new DataView(memory).getUint32(block * BLOCK + 8, true);
  return { memory, blocks, counters, got, calls, receiver, status };
}

test('a frame is what the kernel wrote about it', (t) => {
  const { memory, blocks, receiver, got, counters } = ring();
  layBlock(memory, 0, [
    { seconds: 0x8000_0001, nanoseconds: 999_999_999, wire: 1514, octets: [1, 2, 3] },
    // TP_STATUS_VLAN_VALID; priority 5, VLAN 7.
    { status: 1 | 16, vlanTci: 0xa007, octets: [4] },
    // A tag control of 0 is a tag too; one that is not valid is none.
    { status: 1 | 16, vlanTci: 0, octets: [4] },
    { status: 1, vlanTci: 7, octets: [4] },
    // VIRTIO_NET_HDR_GSO_TCPV4 with the ECN bit.
    { gsoType: 0x81, gsoSize: 1448, octets: [5, 6] },
    { gsoType: 0, gsoSize: 1448, octets: [7] },
  ]);
  t.equal(blocks.drain(receiver, 9), 1);
  const plain = {
    linkType: 1,
    ingressInterface: 3,
    seconds: 0,
    nanoseconds: 0,
    capturedLength: 1,
    wireLength: 1,
    strippedVlanTci: -1,
    gsoType: 0,
    gsoSize: 0,
    isCut: false,
  };
  t.same(got, [
    {
      ...plain,
      seconds: 2_147_483_649,
      nanoseconds: 999_999_999,
      capturedLength: 3,
      wireLength: 1514,
      octets: [1, 2, 3],
    },
    { ...plain, strippedVlanTci: 0xa007, octets: [4] },
    { ...plain, strippedVlanTci: 0, octets: [4] },
    { ...plain, octets: [4] },
    { ...plain, gsoType: 1, gsoSize: 1448, capturedLength: 2, wireLength: 2, octets: [5, 6] },
    { ...plain, octets: [7] },
  ]);
  t.equal(counters.frames, 6);
  t.end();
});

test('without a virtio_net_hdr what stands there means nothing', (t) => {
  const { memory, blocks, receiver, got } = ring(1, {}, false);
  layBlock(memory, 0, [{ gsoType: 1, gsoSize: 1448, octets: [1] }]);
  blocks.drain(receiver, 1);
  t.match(got, [{ gsoType: 0, gsoSize: 0 }]);
  t.end();
});

test('a link without Ethernet begins at the network header, whatever the device puts before', (t) => {
  const { memory, blocks, receiver, got } = ring(1, { startAtNetworkHeader: true, linkType: LinkType.RAW });
  layBlock(memory, 0, [
    { mac: 96, net: 96, octets: [0x45, 1] },
    { mac: 92, net: 96, wire: 1504, octets: [9, 9, 9, 9, 0x45, 1] },
    { mac: 92, net: 108, octets: [9, 9] }, // cut before the network header
  ]);
  blocks.drain(receiver, 1);
  t.match(got, [
    { linkType: LinkType.RAW, octets: [0x45, 1], wireLength: 2 },
    { octets: [0x45, 1], wireLength: 1500, capturedLength: 2 },
    { octets: [], capturedLength: 0 },
  ]);
  t.end();
});

test('the direction is checked again, by packet type', (t) => {
  const frames = [0, 1, 2, 3, 4].map((packetType) => ({ packetType, octets: [packetType] }));
  for (const [direction, expected] of [
    ['ingress', [[0], [1], [2], [3]]],
    ['egress', [[4]]],
    ['both', [[0], [1], [2], [3], [4]]],
  ] as const) {
    const { memory, blocks, receiver, got, counters } = ring(1, { direction });
    layBlock(memory, 0, frames);
    blocks.drain(receiver, 1);
    t.same(
      got.map(({ octets }) => octets),
      expected,
      direction,
    );
    t.equal(counters.frames, expected.length);
  }
  t.end();
});

test('blocks are read in turn, given back, and no more at once than was asked for', (t) => {
  const { memory, blocks, receiver, got, calls, status } = ring(3);
  t.equal(blocks.drain(receiver, 9), 0, 'nothing yet');
  for (const block of [0, 1, 2]) layBlock(memory, block, [{ octets: [block] }]);
  t.equal(blocks.drain(receiver, 2), 2);
  t.same([0, 1, 2].map(status), [0, 0, 1]);
  layBlock(memory, 0, [{ octets: [10] }, { octets: [11] }]);
  layBlock(memory, 1, []);
  t.equal(blocks.drain(receiver, 9), 3, 'the third, and around');
  t.same([0, 1, 2].map(status), [0, 0, 0]);
  t.same(
    got.map(({ octets }) => octets),
    [[0], [1], [2], [10], [11]],
  );
  t.equal(calls.join(' '), 'begin end begin end begin end begin end begin end');
  t.end();
});

test('a ring that contradicts itself is an error, and no endless loop', (t) => {
  const two = (first: Partial<Laid>): Laid[] => [{ octets: [1], ...first }, { octets: [2] }];
  for (const [name, frames] of [
    ['the next header is this one', two({ next: 0 })],
    ['the next header is inside this one', two({ next: 64 })],
    ['the next header is not aligned', two({ next: 145 })],
    ['the next header goes back', two({ next: 0xffff_ff00 })],
    ['the next header is beyond the block', two({ next: 4080 })],
    ['the frame reaches beyond the block', two({ captured: 4000 })],
  ] as const) {
    const { memory, blocks, receiver } = ring(1);
    layBlock(memory, 0, frames);
    t.throws(() => blocks.drain(receiver, 1), { message: /the packet ring is inconsistent/ }, name);
  }
  t.end();
});
