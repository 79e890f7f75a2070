/** What the capture cuts: every packet at every length. */

import t from 'tap';
import { Random } from '../fuzz/random.ts';
import { naiveDecode } from './naive-decoder.ts';
import { randomPacket } from './random-packets.ts';
import { decodeOctets, type Fields, type Outcome } from './support.ts';

/** How far the decoder got, in the order in which a growing capture passes. */
const PROGRESS: readonly Outcome[] = ['truncated_link_header', 'truncated_ip_header', 'metered'];

/** What the IP header alone says: known for every packet that is metered. */
const FROM_THE_HEADER = [
  'ipVersion',
  'addresses',
  'ipOctets',
  'ipClassOfService',
  'ipTTL',
  'flowLabelIPv6',
  'vlanId',
  'customerVlanId',
  'mplsTopLabelStackSection',
  'mplsLabelStackSection2',
  'macAddressesOffset',
] as const satisfies readonly (keyof Fields)[];

/** What lies behind it: the whole packet's value, or not captured. */
const BEHIND = ['sourceTransportPort', 'destinationTransportPort', 'tcpControlBits'] as const;

t.test('a shorter capture never says anything else, only less', (t) => {
  const random = new Random(6946);
  let packets = 0;
  while (packets < 500) {
    const { captured, about } = randomPacket(random);
    if (about.gsoSize !== undefined) continue; // a giant's segments hang on the length of a header that may be cut
    const whole = decodeOctets(captured, about);
    if (whole.outcome !== 'metered' || about.wireLength > 65_000) continue;
    packets++;
    let progress = 0;
    for (let length = 0; length <= captured.length; length++) {
      const cut = decodeOctets(captured.subarray(0, length), about);
      const reached = PROGRESS.indexOf(cut.outcome);
      const faults: string[] = [];
      if (reached < progress) faults.push(`${cut.outcome} after ${PROGRESS[progress]}`);
      progress = Math.max(progress, reached);
      if (cut.outcome === 'metered') {
        for (const name of FROM_THE_HEADER) if (cut.fields[name] !== whole.fields[name]) faults.push(name);
        for (const name of BEHIND) {
          if (cut.fields[name] !== 0 && cut.fields[name] !== whole.fields[name]) faults.push(name);
        }
      }
      if (faults.length > 0) t.fail(`${faults} at ${length} of ${Buffer.from(captured).toString('hex')}`);
    }
    if (progress !== 2) t.fail('the whole packet is metered');
  }
  t.equal(packets, 500);
  t.end();
});

t.test(
  'every packet, faulty ones and giants too, reads at every length as the naive decoder reads it',
  (t) => {
    const random = new Random(4302);
    for (let i = 0; i < 300; i++) {
      const { captured, about } = randomPacket(random);
      for (let length = 0; length <= captured.length; length++) {
        const cut = captured.subarray(0, length);
        const { outcome, fields } = decodeOctets(cut, about);
        const naive = naiveDecode(cut, about);
        const same =
          typeof naive === 'string' ? outcome === naive : outcome === 'metered' && sameFields(fields, naive);
        if (!same) {
          t.strictSame(
            [outcome, fields],
            ['metered', naive],
            `${length} of ${Buffer.from(captured).toString('hex')}`,
          );
        }
      }
    }
    t.pass('300 packets');
    t.end();
  },
);

function sameFields(a: Fields, b: Fields): boolean {
  return (Object.keys(a) as (keyof Fields)[]).every((name) => a[name] === b[name]);
}
