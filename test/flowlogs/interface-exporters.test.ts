/** Which interface a record is sent as, from lines as AWS writes them. */
import t from 'tap';
import type { Export } from '../../src/export/outlet.ts';
import type { FlowRecord } from '../../src/flow/flow-record.ts';
import type { ConvertOutlet } from '../../src/flowlogs/convert-options.ts';
import {
  InterfaceExporters,
  type InterfaceExportersOptions,
} from '../../src/flowlogs/interface-exporters.ts';
import { openInterfaceMap } from '../../src/flowlogs/interface-map.ts';
import { Line, LineParser } from '../../src/flowlogs/line-parser.ts';
import { parseFormat } from '../../src/flowlogs/log-format.ts';
import { StringArena } from '../../src/flowlogs/string-arena.ts';

const WITHOUT_DIRECTION = 'interface-id srcaddr dstaddr srcport action bytes packets start end';

interface Taken {
  readonly from: string;
  readonly way: 'main' | 'rejects';
  readonly port: number;
  readonly octets: number;
  /** The subnet's, behind its length. */
  readonly subnet: string;
}

function setUp(format: string, options: Partial<InterfaceExportersOptions> & { isV5?: boolean } = {}) {
  const parser = new LineParser({
    format: parseFormat(format),
    withEnterprise: true,
    strings: new StringArena(),
    withStrings: true,
    interfaceMap: openInterfaceMap(undefined),
    clockMilliseconds: () => 0,
  });
  const taken: Taken[] = [];
  const opened: string[] = [];
  const notices: string[] = [];
  // A way out is its address here, and an exporter what takes its records.
  const exporter = (from: string, way: Taken['way']) => ({
    record({ layout, view, offset }: FlowRecord) {
      const at = (name: string) => layout.fields.get(name)!.offset + offset;
      const { strings } = layout;
      const subnet = layout.fields.get('subnet-id') && view.getUint32(at('subnet-id'), true);
      taken.push({
        from,
        way,
        port: view.getUint16(at('sourceTransportPort'), true),
        octets: view.getFloat64(at('octetDeltaCount'), true),
        subnet:
          subnet === undefined
            ? ''
            : Buffer.from(strings!.subarray(subnet + 1, subnet + 1 + strings![subnet]!)).toString(),
      });
    },
  });
  const exporters = new InterfaceExporters({
    ipVersion: 4,
    outlets(address) {
      opened.push(address);
      const outlet = (way: Taken['way']) => ({ name: address, way }) as unknown as ConvertOutlet;
      return { main: outlet('main'), rejects: options.isV5 === true ? outlet('rejects') : undefined };
    },
    onNotice: (text) => notices.push(text),
    ...options,
  });
  exporters.start({
    add(outlet) {
      const { name, way } = outlet as unknown as { name: string; way: Taken['way'] };
      return { outlet, exporter: exporter(name, way) as unknown as Export['exporter'] };
    },
  });
  const line = (text: string) => {
    parser.position = 0;
    t.equal(parser.next(Buffer.from(`${text}\n`)), Line.RECORD, text);
    exporters.record(parser.record, parser);
  };
  const lost = () =>
    Object.fromEntries([...exporters.notSent].map(([reason, { records }]) => [reason, records]));
  return { exporters, taken, opened, notices, line, lost };
}

t.test('the direction tells the own end, at the first record', async (t) => {
  const { exporters, taken, opened, line } = setUp(
    'interface-id flow-direction srcaddr dstaddr pkt-srcaddr srcport action bytes packets start end',
    { isV5: true },
  );
  line('eni-1 ingress 192.0.2.1 10.0.0.5 192.0.2.77 1 ACCEPT 100 1 0 0');
  line('eni-2 egress 10.0.0.6 192.0.2.1 10.0.0.99 2 REJECT 200 1 0 0');
  line('eni-1 egress 10.0.0.5 192.0.2.1 - 3 REJECT 300 1 0 0');
  t.match(taken, [
    { from: '10.0.0.5', way: 'main', port: 1 },
    { from: '10.0.0.6', way: 'rejects', port: 2 },
    { from: '10.0.0.5', way: 'rejects', port: 3 },
  ]);
  t.same(opened, ['10.0.0.5', '10.0.0.6'], 'once an interface');
  t.equal(exporters.opened, 2);
});

t.test(
  'without it, the address that all records have in common; what has waited leaves first, whole',
  async (t) => {
    const { exporters, taken, opened, line, lost } = setUp(`${WITHOUT_DIRECTION} subnet-id`);
    line('eni-1 192.0.2.1 10.0.0.5 1 ACCEPT 100 1 0 0 subnet-a');
    line('eni-2 10.0.0.6 192.0.2.1 2 ACCEPT 200 1 0 0 subnet-of-the-second');
    line('eni-1 10.0.0.5 192.0.2.1 3 REJECT 300 1 0 0 -');
    t.same(taken, []);
    t.same(exporters.waiting, { records: 3, packets: 3, octets: 600 });
    line('eni-1 10.0.0.5 198.51.100.7 4 ACCEPT 400 1 0 0 subnet-b');
    t.match(taken, [
      { from: '10.0.0.5', way: 'main', port: 1, octets: 100, subnet: 'subnet-a' },
      { from: '10.0.0.5', way: 'main', port: 3, octets: 300, subnet: '' },
      { from: '10.0.0.5', way: 'main', port: 4, octets: 400, subnet: 'subnet-b' },
    ]);
    t.same(opened, ['10.0.0.5']);
    t.equal(exporters.waiting.records, 1);
    exporters.endObject();
    t.same(lost(), { interface_unknown: 1, too_many_interfaces: 0 });
    t.same(exporters.notSent.get('interface_unknown'), { records: 1, packets: 1, octets: 200 });
    t.same(exporters.waiting, { records: 0, packets: 0, octets: 0 });
    // What was learned stays: another object brings the second peer.
    line('eni-2 203.0.113.9 10.0.0.6 5 ACCEPT 500 1 0 0 -');
    t.match(taken.at(-1), { from: '10.0.0.6', port: 5 });
    line('eni-1 10.0.0.5 198.51.100.7 6 ACCEPT 1 1 0 0 -');
    t.match(taken.at(-1), { from: '10.0.0.5', port: 6 });
  },
);

t.test('records that have nothing in common decide nothing', async (t) => {
  const { taken, line } = setUp(WITHOUT_DIRECTION);
  line('eni-1 192.0.2.1 10.0.0.5 1 ACCEPT 1 1 0 0');
  line('eni-1 192.0.2.2 10.0.0.6 2 ACCEPT 1 1 0 0');
  t.same(taken, []);
  line('eni-1 192.0.2.3 10.0.0.6 3 ACCEPT 1 1 0 0');
  t.same(
    taken.map(({ from }) => from),
    ['10.0.0.6', '10.0.0.6', '10.0.0.6'],
  );
});

t.test('what has no address of the right kind, or no interface, is counted and said once', async (t) => {
  const { exporters, taken, notices, line, lost } = setUp(`flow-direction ${WITHOUT_DIRECTION}`);
  line('ingress eni-1 2001:db8::1 2001:db8::2 1 ACCEPT 10 1 0 0');
  t.equal(exporters.waiting.records, 1, 'it may have the other kind, too');
  line('ingress eni-1 192.0.2.1 10.0.0.5 2 ACCEPT 20 1 0 0');
  t.match(taken, [
    { from: '10.0.0.5', port: 1 },
    { from: '10.0.0.5', port: 2 },
  ]);
  line('ingress eni-2 2001:db8::1 2001:db8::2 3 ACCEPT 30 1 0 0');
  line('ingress - 192.0.2.1 10.0.0.9 4 ACCEPT 40 1 0 0');
  exporters.endObject();
  t.same(lost(), { interface_unknown: 2, too_many_interfaces: 0 });
  t.equal(notices.length, 1);
  t.match(notices[0], /flow-direction/);

  const six = setUp(`flow-direction ${WITHOUT_DIRECTION}`, { ipVersion: 6 });
  six.line('egress eni-1 2001:db8::1:5 2001:db8::2 1 ACCEPT 10 1 0 0');
  t.same(six.opened, ['2001:db8:0:0:0:0:1:5']);
});

t.test('so many interfaces get exporters, and so many records wait', async (t) => {
  const { taken, notices, line, lost } = setUp(`flow-direction ${WITHOUT_DIRECTION}`, { most: 2 });
  for (let i = 1; i <= 4; i++) {
    line(`ingress eni-${i} 192.0.2.1 10.0.0.${i} ${i} ACCEPT 10 1 0 0`);
    line(`ingress eni-${i} 192.0.2.1 10.0.0.${i} ${i} ACCEPT 10 1 0 0`);
  }
  t.equal(taken.length, 4);
  t.same(lost(), { interface_unknown: 0, too_many_interfaces: 4 });
  t.match(notices, [/more than 2 interfaces/]);

  const waiting = setUp(WITHOUT_DIRECTION);
  for (let i = 0; i < 1100; i++) waiting.line('eni-1 192.0.2.1 10.0.0.1 1 ACCEPT 10 1 0 0');
  t.equal(waiting.exporters.waiting.records, 1024);
  t.same(waiting.lost(), { interface_unknown: 76, too_many_interfaces: 0 });
});
