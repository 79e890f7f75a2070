/** tshark's dissector: no datagram is malformed, no field unknown, and its values equal the oracle's. */

import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { addressesOf, expectationOf, type FullOracleRecord, type OracleRecord } from '../oracle/oracle.ts';
import { differences } from './compare.ts';
import { asCapture, CAPTURED_PORT, DatagramKeeper } from './datagrams.ts';
import { missing } from './peers.ts';
import { sampleCapture } from './sample.ts';
import { weir } from './weir.ts';

const run = promisify(execFile);

/** One line of the dissection below a record's own, by the name that tshark gives it; of several the first. */
type Dissected = ReadonlyMap<string, string>;

interface Dissection {
  readonly text: string;
  readonly records: readonly Dissected[];
}

async function dissect(path: string): Promise<Dissection> {
  const { stdout: text } = await run(
    'tshark',
    ['-r', path, '-d', `udp.port==${CAPTURED_PORT},cflow`, '-O', 'cflow', '-V'],
    { maxBuffer: 256 * 1024 * 1024, env: { ...process.env, TZ: 'UTC' }, timeout: 50_000 },
  );
  const records: Map<string, string>[] = [];
  let bootMilliseconds = 0;
  let uptimeMilliseconds = 0;
  for (const line of text.split('\n')) {
    const [, name = '', value = ''] = /^ +\[?([^:]+): (.*)$/.exec(line) ?? [];
    if (/^ *(Flow \d+|pdu \d+\/\d+)$/.test(line)) {
      records.push(new Map([['boot', `${bootMilliseconds}`]]));
    } else if (name === 'SysUptime') {
      uptimeMilliseconds = Math.round(Number.parseFloat(value) * 1000);
    } else if (name === 'Timestamp') {
      bootMilliseconds = millisecondsOf(value) - uptimeMilliseconds;
    } else if (name === 'Enterprise Private entry') {
      const [, id = '', octets = ''] = /Type (\d+): Value \(hex bytes\): ([0-9a-f ]+)/.exec(value) ?? [];
      records.at(-1)?.set(`type ${id}`, octets);
    } else if (name !== '' && !records.at(-1)?.has(name)) {
      records.at(-1)?.set(name, value);
    }
  }
  return { text, records: records.filter((record) => record.has('SrcAddr')) };
}

/** `Nov 14, 2023 22:13:20.886000000 UTC`, or seconds since boot. */
function millisecondsOf(text: string, bootMilliseconds = 0): number {
  const [, before, fraction = '0', after] = /^(.*)\.(\d+)(.*)$/.exec(text) ?? [];
  if (after?.trim() === 'seconds') return bootMilliseconds + Math.round(Number.parseFloat(text) * 1000);
  return Date.parse(`${before}${after}`) + Math.round(Number(`0.${fraction}`) * 1000);
}

/** `6`, `0x0014, ACK, RST`, `TCP (6)`: the number in it. */
function numberOf(text: string | undefined): number {
  return Number(
    /\((\d+)\)$/.exec(text ?? '')?.[1] ?? Number.parseInt(text ?? '', text?.startsWith('0x') ? 16 : 10),
  );
}

/** What every version carries. */
function common(record: Dissected) {
  const boot = numberOf(record.get('boot'));
  return {
    source: record.get('SrcAddr'),
    destination: record.get('DstAddr'),
    sourcePort: numberOf(record.get('SrcPort')),
    destinationPort: numberOf(record.get('DstPort')),
    protocol: numberOf(record.get('Protocol')),
    ipClassOfService: numberOf(record.get('IP ToS')),
    tcpControlBits: numberOf(record.get('TCP Flags')),
    input: numberOf(record.get('InputInt')),
    packets: numberOf(record.get('Packets')),
    octets: numberOf(record.get('Octets')),
    startMilliseconds: millisecondsOf(record.get('StartTime') ?? '', boot),
    endMilliseconds: millisecondsOf(record.get('EndTime') ?? '', boot),
  };
}

function expectedCommon(record: OracleRecord): ReturnType<typeof common> {
  return {
    ...addressesOf(record),
    sourcePort: record.sourceTransportPort,
    destinationPort: record.destinationTransportPort,
    protocol: record.protocolIdentifier,
    ipClassOfService: record.ipClassOfService,
    tcpControlBits: record.tcpControlBits,
    input: record.ingressInterface,
    packets: record.packetDeltaCount,
    octets: record.octetDeltaCount,
    startMilliseconds: record.flowStartMilliseconds,
    endMilliseconds: record.flowEndMilliseconds,
  };
}

/** v5 has eight TCP flags, and IPv4 only. */
function expectedOfV5(records: readonly OracleRecord[]) {
  return records
    .filter(({ ipVersion }) => ipVersion === 4)
    .map((record) => ({ ...expectedCommon(record), tcpControlBits: record.tcpControlBits & 0xff }));
}

/** What v9 and IPFIX carry. */
function standard(record: Dissected) {
  const type = record.get('IPv6 ICMP Type');
  return {
    ...common(record),
    icmpTypeCode:
      type === undefined
        ? numberOf(record.get('ICMP Type'))
        : numberOf(type) * 256 + numberOf(record.get('IPv6 ICMP Code')),
    ipVersion: numberOf(record.get('IPVersion')),
    flowEndReason: numberOf(record.get('Flow End Reason')),
    vlanId: numberOf(record.get('Vlan Id')),
    dot1qVlanId: numberOf(record.get('Dot1q Vlan Id')),
  };
}

function expectedStandard(record: OracleRecord): ReturnType<typeof standard> {
  const { icmpTypeCodeIPv4, icmpTypeCodeIPv6, ipVersion, flowEndReason, vlanId, dot1qVlanId } = record;
  return {
    ...expectedCommon(record),
    icmpTypeCode: icmpTypeCodeIPv4 ?? icmpTypeCodeIPv6 ?? Number.NaN,
    ipVersion,
    flowEndReason,
    vlanId,
    dot1qVlanId,
  };
}

/** What `--fields full` adds. */
function full(record: Dissected) {
  return {
    ...standard(record),
    sourceMacAddress: macOf(record.get('Source Mac Address')),
    destinationMacAddress: macOf(record.get('Destination Mac Address')),
    customerVlan: numberOf(record.get('Dot1q Customer Vlan Id')),
    minimumTTL: numberOf(record.get('MinTTL')),
    maximumTTL: numberOf(record.get('MaxTTL')),
    topLabel: labelOf(record.get('MPLS-Label1')),
    secondLabel: labelOf(record.get('MPLS-Label2')),
    fragmentIdentification: numberOf(record.get('fragIdent')),
    syn: numberOf(record.get('Total TCP syn')),
    fin: numberOf(record.get('Total TCP fin')),
    rst: numberOf(record.get('Total TCP rst')),
    flowLabel: record.has('ipv6FlowLabel') ? numberOf(record.get('ipv6FlowLabel')) : undefined,
  };
}

/** `(hex bytes): 00 00 05 dc`: of an element that it does not decode. */
function privateNumber(record: Dissected, id: number): number {
  return Number.parseInt((record.get(`type ${id}`) ?? '').replace(/^.*: | /g, ''), 16);
}

/** What only IPFIX carries. */
function insight(record: Dissected) {
  return {
    ...full(record),
    roundTripMicroseconds: privateNumber(record, 200),
    initialFlags: privateNumber(record, 14),
    unionFlags: privateNumber(record, 15),
    retransmitted: numberOf(record.get('Number of retransmitted TCP flow packets (src->dst)')),
    outOfOrder: numberOf(record.get('Number of out of order TCP flow packets (src->dst)')),
    leastWindow: numberOf(record.get('Min TCP Window (src->dst)')),
    zeroWindows: privateNumber(record, 1024),
  };
}

function expectedInsight(record: FullOracleRecord): ReturnType<typeof insight> {
  return {
    ...expectedFull(record),
    roundTripMicroseconds: record.TCP_HANDSHAKE_RTT_USEC,
    initialFlags: record.initialTCPFlags,
    unionFlags: record.unionTCPFlags,
    retransmitted: record.RETRANSMITTED_IN_PKTS,
    outOfOrder: record.OOORDER_OUT_PKTS,
    leastWindow: record.TCP_WIN_MIN_IN,
    zeroWindows: record.tcpZeroWindowDeltaCount,
  };
}

function expectedFull(record: FullOracleRecord): ReturnType<typeof full> {
  return {
    ...expectedStandard(record),
    sourceMacAddress: record.sourceMacAddress,
    destinationMacAddress: record.destinationMacAddress,
    customerVlan: record.dot1qCustomerVlanId,
    minimumTTL: record.minimumTTL,
    maximumTTL: record.maximumTTL,
    topLabel: record.mplsTopLabelStackSection,
    secondLabel: record.mplsLabelStackSection2,
    fragmentIdentification: record.fragmentIdentification,
    syn: record.tcpSynTotalCount,
    fin: record.tcpFinTotalCount,
    rst: record.tcpRstTotalCount,
    flowLabel: record.flowLabelIPv6,
  };
}

/** `02:00:00:00:01:00 (02:00:00:00:01:00)`: the one without a manufacturer's name. */
function macOf(text = ''): string {
  return /\(([0-9a-f:]+)\)$/.exec(text)?.[1] ?? text;
}

/** `16 exp-bits: 5 bottom-of-stack`: as six hexadecimal digits. */
function labelOf(text = ''): string {
  const [, label = '', bits = '', bottom] = /^(\d+) exp-bits: (\d)(.*)$/.exec(text) ?? [];
  const value = (Number(label) << 4) | (Number(bits) << 1) | (bottom?.includes('bottom') ? 1 : 0);
  return value.toString(16).padStart(6, '0');
}

t.test(
  'tshark dissects v5, v9 and IPFIX, standard and full',
  {
    skip: missing({ tshark: 'tshark' }),
    timeout: 60_000,
  },
  async (t) => {
    const file = sampleCapture(t);
    const { records } = expectationOf([file]);
    const fullRecords = expectationOf([file], { fields: 'full' }).records as readonly FullOracleRecord[];
    const cases = [
      { name: 'v5', scheme: 'netflow5', fields: 'standard', read: common, expected: expectedOfV5(records) },
      {
        name: 'v9',
        scheme: 'netflow9',
        fields: 'standard',
        read: standard,
        expected: records.map(expectedStandard),
      },
      {
        name: 'IPFIX',
        scheme: 'ipfix',
        fields: 'standard',
        read: standard,
        expected: records.map(expectedStandard),
      },
      {
        name: 'v9, full',
        scheme: 'netflow9',
        fields: 'full',
        read: full,
        expected: fullRecords.map(expectedFull),
      },
      {
        name: 'IPFIX, full',
        scheme: 'ipfix',
        fields: 'full',
        read: insight,
        expected: fullRecords.map(expectedInsight),
      },
    ];
    for (const { name, scheme, fields, read, expected } of cases) {
      const keeper = await DatagramKeeper.start(t);
      const query = scheme === 'netflow5' ? '' : '?template-refresh=20'; // v5 has no templates
      const url = `${scheme}://127.0.0.1:${keeper.port}${query}`;
      const own = ['--enterprise-number', '32473'];
      const { code, log } = await weir('read', file, '--fields', fields, '-c', url, ...own);
      t.equal(code, 0, 'weir read ends well', { log });
      const exported = log.find((line) => line.msg === 'exported');
      await keeper.received(Number(exported?.messages));

      const path = join(dirname(file), 'datagrams.pcap');
      writeFileSync(path, asCapture(keeper.datagrams));
      const dissection = await dissect(path);
      const wrong =
        /malformed|unknown field|type: unknown|unknown\(|type \d+: value|no template|expert info \((warn|err)/i;
      t.same(
        // Wireshark 4.0 shows the octets of CERT's elements (6871), of the one that it has a name for in 33609's list, and of ours.
        dissection.text
          .split('\n')
          .filter(
            (line) =>
              wrong.test(line) &&
              !/\((CERT Coordination Center|Softtek|.*Documentation Use)\) Type (14|15|200|1024):/.test(line),
          ),
        [],
        `${name}: nothing is wrong`,
      );
      if (scheme !== 'netflow5') {
        t.match(dissection.text, /IfName: /, `${name}: names of interfaces`);
        t.match(dissection.text, /Permanent Packets: /, `${name}: the metering process`);
        t.match(dissection.text, /Not Sent Flows: /, `${name}: the exporting process`);
      }
      t.same(differences(dissection.records.map(read), expected), [], name);
    }
  },
);
