import { test } from 'tap';
import {
  compileFilter,
  DROP_ALL,
  type Instruction,
  parseProgram,
  socketFilter,
} from '../../src/capture/filter.ts';
import { LinkType } from '../../src/capture/packet-source.ts';
import { hasProgram } from '../support/programs.ts';

const skip = hasProgram('tcpdump') ? false : 'no tcpdump to compile filters with';
const ETHERNET = { interfaceName: 'lo', linkType: LinkType.ETHERNET };

/**
 * A naive interpreter of the instructions that occur here: what the program returns for a packet of this type.
 * Throws when it runs off the program, as the kernel would refuse it.
 */
function run(program: Uint8Array, packetType: number, packet: Uint8Array): number {
  const view = new DataView(program.buffer);
  const data = new DataView(packet.buffer);
  let accumulator = 0;
  let index = 0;
  for (let pc = 0; pc * 8 < program.length; pc++) {
    const [code, k] = [view.getUint16(8 * pc, true), view.getUint32(8 * pc + 4, true)];
    const jump = (taken: boolean) => {
      pc += view.getUint8(8 * pc + (taken ? 2 : 3));
    };
    if (code === 0x06)
      return k; //                                                     ret #k
    else if (code === 0x20 && k === 0xfffff004)
      accumulator = packetType; //             ld #type
    else if (code === 0x30)
      accumulator = data.getUint8(k); //                           ldb [k]
    else if (code === 0x28)
      accumulator = data.getUint16(k); //                          ldh [k]
    else if (code === 0x48)
      accumulator = data.getUint16(index + k); //                  ldh [x + k]
    else if (code === 0xb1)
      index = 4 * (data.getUint8(k) & 15); //                      ldxb 4*([k]&0xf)
    else if (code === 0x54)
      accumulator &= k; //                                         and #k
    else if (code === 0x15)
      jump(accumulator === k); //                                  jeq #k
    else if (code === 0x45)
      jump((accumulator & k) !== 0); //                            jset #k
    else throw new Error(`instruction ${pc}: code ${code}`);
  }
  throw new Error('ran off the program');
}

/** An Ethernet frame: IPv4, protocol, source and destination port. */
function packet(protocol: number, from: number, to: number): Uint8Array {
  const frame = new Uint8Array(64);
  frame.set([0x08, 0x00, 0x45], 12);
  frame[23] = protocol;
  frame.set([from >> 8, from & 255, to >> 8, to & 255], 34);
  return frame;
}

const UDP_53 = packet(17, 40_000, 53);
const TCP_22 = packet(6, 40_000, 22);
const HOST = 0;
const OTHERHOST = 3;
const OUTGOING = 4;

test('the direction stands in front, and accepting returns the snap length', (t) => {
  const noFilter: Instruction[] = [];
  const onlyUdp: Instruction[] = [
    [0x30, 0, 0, 23], // ldb [23]
    [0x15, 0, 1, 17], // jeq #17
    [0x06, 0, 0, 262_144], // ret #262144
    [0x06, 0, 0, 0], // ret #0
  ];
  for (const [direction, filter, packetType, frame, expected] of [
    ['ingress', noFilter, HOST, TCP_22, 256],
    ['ingress', noFilter, OTHERHOST, TCP_22, 256],
    ['ingress', noFilter, OUTGOING, TCP_22, 0],
    ['egress', noFilter, HOST, TCP_22, 0],
    ['egress', noFilter, OUTGOING, TCP_22, 256],
    ['both', noFilter, HOST, TCP_22, 256],
    ['both', noFilter, OUTGOING, TCP_22, 256],
    ['ingress', onlyUdp, HOST, UDP_53, 256],
    ['ingress', onlyUdp, HOST, TCP_22, 0],
    ['ingress', onlyUdp, OUTGOING, UDP_53, 0],
    ['egress', onlyUdp, OUTGOING, UDP_53, 256],
    ['egress', onlyUdp, OUTGOING, TCP_22, 0],
    ['both', onlyUdp, OUTGOING, UDP_53, 256],
  ] as const) {
    const name = `${direction}, ${filter.length === 0 ? 'no filter' : 'udp'}, type ${packetType}`;
    t.equal(run(socketFilter(direction, filter, 256), packetType, frame), expected, name);
  }
  t.equal(run(DROP_ALL, HOST, UDP_53), 0);
  t.end();
});

test('tcpdump compiles the expression, as one argument that is no option', { skip }, async (t) => {
  const program = await compileFilter('not port 22', ETHERNET);
  t.equal(run(socketFilter('ingress', program, 128), HOST, UDP_53), 128);
  t.equal(run(socketFilter('ingress', program, 128), HOST, TCP_22), 0);
  t.equal(run(socketFilter('ingress', program, 128), OUTGOING, UDP_53), 0);

  // Without Ethernet, the IP header comes first.
  const raw = await compileFilter('udp', { interfaceName: 'tun0', linkType: LinkType.RAW });
  t.equal(run(socketFilter('both', raw, 64), HOST, UDP_53.slice(14)), 64);
  t.equal(run(socketFilter('both', raw, 64), HOST, TCP_22.slice(14)), 0);
});

test('a mistake is told in the words of tcpdump', { skip }, async (t) => {
  for (const [expression, words] of [
    ['prot 22', /The filter 'prot 22' does not compile: can't parse filter expression: syntax error/],
    ['port 99999', /illegal port number 99999/],
    ['-w /tmp/x', /The filter '-w \/tmp\/x' does not compile: /],
    ['vlan 5', /The filter 'vlan 5' does not compile: nowhere0: /], // asked of the live interface
  ] as const) {
    const on = { interfaceName: 'nowhere0', linkType: LinkType.ETHERNET };
    await t.rejects(compileFilter(expression, on), { message: words }, expression);
  }
});

test('what is no program is not taken for one', (t) => {
  t.same(parseProgram('1\n6 0 0 262144\n'), [[6, 0, 0, 262_144]]);
  for (const text of ['', '2\n6 0 0 1\n', '1\n6 0 0\n', '1\n6 0 0 x\n', 'hello\n']) {
    t.throws(() => parseProgram(text), { message: /printed no program/ }, JSON.stringify(text));
  }
  t.end();
});
