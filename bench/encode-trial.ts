/**
 * encode-trial PROTOCOL FIELDS RECORDS: the exporter alone. Encodes RECORDS Flow Records of IPv4 into Messages of
 * 1472 octets for a transport that sends at once and keeps nothing, and prints one JSON line.
 */
import { Exporter, type ExporterOptions } from '../src/export/exporter.ts';
import type { Message } from '../src/export/message.ts';
import { flowLayout } from '../src/flow/flow-record.ts';

const [protocol, fields, count] = process.argv.slice(2) as [
  ExporterOptions['protocol'],
  ExporterOptions['fields'],
  string,
];

/** As many different records as a few turns of a flow table's wheel would hand over; they fit the second-level cache. */
const DIFFERENT = 4096;
const START_MILLISECONDS = 1_767_225_600_000;

const layout = flowLayout(4, fields);
const memory = new DataView(new ArrayBuffer(DIFFERENT * layout.words * 4));
for (let n = 0; n < DIFFERENT; n++) {
  const at = n * layout.words * 4;
  const number = (name: string) => at + layout.fields.get(name)!.offset;
  memory.setFloat64(number('octetDeltaCount'), 46 * (n + 1), true);
  memory.setFloat64(number('packetDeltaCount'), n + 1, true);
  memory.setFloat64(number('flowStartMilliseconds'), START_MILLISECONDS + n, true);
  memory.setFloat64(number('flowEndMilliseconds'), START_MILLISECONDS + 2 * n, true);
  memory.setUint32(number('sourceIPv4Address'), 0x0a000000 + n);
  memory.setUint32(number('destinationIPv4Address'), 0xc6120000 + n);
  memory.setUint16(number('sourceTransportPort'), 1024 + n, true);
  memory.setUint16(number('destinationTransportPort'), 443, true);
  memory.setUint8(number('protocolIdentifier'), 6);
  memory.setUint32(number('ingressInterface'), 2, true);
}

const metering = {
  packetTotalCount: 0,
  octetTotalCount: 0,
  ignoredPacketTotalCount: 0,
  ignoredOctetTotalCount: 0,
  droppedPacketTotalCount: 0,
  observedFlowTotalCount: 0,
};
let octets = 0;
const transport = {
  queued: 0,
  send(message: Message): void {
    exporter.stamp(message);
    octets += message.bytes.length;
    exporter.settled(message);
  },
};
const exporter = new Exporter(
  {
    protocol,
    fields,
    observationDomain: 0,
    messageOctets: 1472,
    templateRefreshMilliseconds: 60_000,
    templateRefreshMessages: 0,
    tcpControlBitsOctets: 2,
    layouts: [layout, flowLayout(6, fields)],
    bootMilliseconds: START_MILLISECONDS - 1000,
    clockMilliseconds: () => START_MILLISECONDS + 10_000,
    refreshClockMilliseconds: () => 0,
    observed: () => ({ interfaces: [], metering }),
    onNotice: (text) => process.stderr.write(`${text}\n`),
  },
  transport,
);

for (const message of exporter.sessionStarted()) transport.send(message);
const record = { layout, view: memory, offset: 0 };
const records = Number(count);
const start = process.hrtime.bigint();
for (let n = 0; n < records; n++) {
  record.offset = (n % DIFFERENT) * layout.words * 4;
  exporter.record(record);
}
exporter.flush();
const seconds = Number(process.hrtime.bigint() - start) / 1e9;
process.stdout.write(`${JSON.stringify({ records: exporter.sent.records, octets, seconds })}\n`);
