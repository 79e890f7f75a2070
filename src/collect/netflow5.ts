/** NetFlow v5: a header of 24 octets and up to 30 records of 48 (Cisco, "NetFlow Export Datagram Format"). */

import { ipv4Text } from './address-text.ts';
import type { IncomingMessage } from './message.ts';
import type { MalformedReason } from './problems.ts';
import { RecordShape, recordField, type Value } from './record.ts';
import { readUptime } from './values.ts';

const HEADER_OCTETS = 24;
const RECORD_OCTETS = 48;
const MAX_RECORDS = 30;

/** In the record's order, by IANA's names; First and Last as what they mean. */
const FIELDS = [
  'sourceIPv4Address',
  'destinationIPv4Address',
  'ipNextHopIPv4Address',
  'ingressInterface',
  'egressInterface',
  'packetDeltaCount',
  'octetDeltaCount',
  'flowStartMilliseconds',
  'flowEndMilliseconds',
  'sourceTransportPort',
  'destinationTransportPort',
  'tcpControlBits',
  'protocolIdentifier',
  'ipClassOfService',
  'bgpSourceAsNumber',
  'bgpDestinationAsNumber',
  'sourceIPv4PrefixLength',
  'destinationIPv4PrefixLength',
];
/** Said in the header, for every record; 0 where nothing is sampled, and then left out. */
const SAMPLING = ['samplingInterval', 'samplingAlgorithm'];

const shapeOf = (names: string[]) =>
  new RecordShape(
    names.map((name) => recordField(name, false, false)),
    false,
  );
const SHAPE = shapeOf(FIELDS);
const SAMPLED_SHAPE = shapeOf([...FIELDS, ...SAMPLING]);

/** Decodes one datagram. */
export function decodeNetflow5(message: IncomingMessage): MalformedReason | undefined {
  const { view, base } = message;
  if (message.length < HEADER_OCTETS) return 'truncated_header';
  const count = view.getUint16(2);
  if (count === 0 || count > MAX_RECORDS) return 'bad_record_count';
  if (message.length !== HEADER_OCTETS + count * RECORD_OCTETS) return 'bad_message_length';

  base.sysUptimeMilliseconds = view.getUint32(4);
  base.unixMilliseconds = view.getUint32(8) * 1000 + Math.floor(view.getUint32(12) / 1e6);
  message.exportTimeMilliseconds = base.unixMilliseconds;
  message.sequenceNumber = view.getUint32(16);
  message.observationDomainId = view.getUint16(20); // engine_type, engine_id
  message.openSession();
  message.counters.lostFlows += message.checkSequence();
  message.counters.lostFlows -= message.session.sequence.advance(count);

  // 2 bits of mode (1: one in interval, 2: at random), 14 of interval.
  const sampling = view.getUint16(22);
  const interval = sampling & 0x3fff;
  for (let at = HEADER_OCTETS; at < message.length; at += RECORD_OCTETS) {
    const values = readRecord(message, at);
    if (interval !== 0) values.push(interval, sampling >>> 14);
    message.records.push({ shape: interval === 0 ? SHAPE : SAMPLED_SHAPE, values });
  }
  return undefined;
}

function readRecord({ view, base }: IncomingMessage, at: number): Value[] {
  return [
    ipv4Text(view, at), //               srcaddr
    ipv4Text(view, at + 4), //           dstaddr
    ipv4Text(view, at + 8), //           nexthop
    view.getUint16(at + 12), //          input
    view.getUint16(at + 14), //          output
    view.getUint32(at + 16), //          dPkts
    view.getUint32(at + 20), //          dOctets
    readUptime(view, at + 24, 4, base), // First
    readUptime(view, at + 28, 4, base), // Last
    view.getUint16(at + 32), //          srcport
    view.getUint16(at + 34), //          dstport
    view.getUint8(at + 37), //           tcp_flags, after pad1
    view.getUint8(at + 38), //           prot
    view.getUint8(at + 39), //           tos
    view.getUint16(at + 40), //          src_as
    view.getUint16(at + 42), //          dst_as
    view.getUint8(at + 44), //           src_mask
    view.getUint8(at + 45), //           dst_mask, before pad2
  ];
}
