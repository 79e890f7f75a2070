import { test } from 'tap';
import { FlowTableView } from '../../src/cli/flow-table-view.ts';
import { record, record6 } from './records.ts';
import { ManualClock, Screen } from './screen.ts';

const START = new Date(2026, 10, 21, 14, 5, 9).getTime();

function setUp(
  columns: number,
  rows: number,
  options: { maxFlows?: number; rowsAbove?: number; color?: boolean } = {},
) {
  const screen = new Screen(columns, rows);
  const clock = new ManualClock(START);
  const view = new FlowTableView({
    output: screen,
    color: options.color ?? false,
    clock,
    ...(options.maxFlows === undefined ? {} : { maxFlows: options.maxFlows }),
    rowsAbove: options.rowsAbove ?? 0,
    interfaceName: (index) => (index === 2 ? 'to-client' : undefined),
  });
  return { screen, clock, view };
}

function screenOf(...lines: string[]): string {
  return lines.join('\n');
}

test('flows stand in the order of their rates, aggregated over their records', async (t) => {
  const { screen, clock, view } = setUp(80, 10);
  view.start();
  t.equal(
    screen.text,
    screenOf('0 flows  0 records  0 packets/s  0 bit/s  since 14:05:09 (0 s)', 'no flow in the last 10 s'),
  );
  t.equal(screen.cursorVisible, false);
  view.record(record({ tcpControlBits: 0x02 }));
  view.record(record({ tcpControlBits: 0x11, octetDeltaCount: 1500 }));
  view.record(record6({ octetDeltaCount: 500_000, protocolIdentifier: 17 }));
  view.record(
    record({
      protocolIdentifier: 1,
      sourceTransportPort: 0,
      destinationTransportPort: 0,
      icmpTypeCodeIPv4: 0x800,
      packetDeltaCount: 1,
    }),
  );
  view.record((name) => (name === 'interfaceName' ? 'eth0' : undefined));
  t.equal(view.otherRecords, 1);
  clock.advance(2000);
  t.equal(
    screen.text,
    screenOf(
      '3 flows  4 records  16 packets/s  2.01 Mbit/s  since 14:05:09 (2 s)',
      'PROTO SOURCE              DESTINATION       FLAGS  PACKETS/S        RATE',
      'udp   [2001:db8::1]:40000 [2001:db8::2]:443              5.0 2.00 Mbit/s',
      'tcp   10.0.0.1:40000      10.0.0.2:443      .A..SF        10 10.0 kbit/s',
      'icmp  10.0.0.1            10.0.0.2          8/0          0.5 4.00 kbit/s',
    ),
  );
  view.stop();
});

test('a wide terminal shows more of each flow, a narrow one the essence, and neither is overrun', async (t) => {
  const flows = [
    record({ octetDeltaCount: 2_000_000 }),
    record6({ sourceIPv6Address: '2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff', flowEndReason: 3 }),
    record({ protocolIdentifier: 1, icmpTypeCodeIPv4: 0x303, ingressInterface: 9, octetDeltaCount: 10 }),
  ];
  const wide = setUp(130, 10);
  wide.view.start();
  for (const flow of flows) wide.view.record(flow);
  wide.clock.advance(1000);
  t.equal(
    wide.screen.text,
    screenOf(
      '3 flows  3 records  30 packets/s  16.0 Mbit/s  since 14:05:09 (1 s)',
      'PROTO SOURCE                                DESTINATION       FLAGS            IN         END         OCTETS PACKETS/S        RATE',
      'tcp   10.0.0.1:40000                        10.0.0.2:443      .AP.SF           to-client  active     2.00 MB        10 16.0 Mbit/s',
      'tcp   [2001:db8:aaaa:bbb…d:eeee:ffff]:40000 [2001:db8::2]:443 .AP.SF           to-client  end        1.00 kB        10 8.00 kbit/s',
      'icmp  10.0.0.1                              10.0.0.2          port unreachable 9          active        10 B        10    80 bit/s',
    ),
  );
  wide.view.stop();

  const narrow = setUp(40, 10);
  narrow.view.start();
  for (const flow of flows) narrow.view.record(flow);
  narrow.clock.advance(1000);
  t.equal(
    narrow.screen.text,
    screenOf(
      '3 flows  3 records  30 packets/s  16.0 …',
      'PROTO SOURCE      DESTINATI…        RATE',
      'tcp   10.0.…40000 10.0…2:443 16.0 Mbit/s',
      'tcp   [2001…40000 [200…]:443 8.00 kbit/s',
      'icmp  10.0.0.1    10.0.0.2      80 bit/s',
    ),
  );
  narrow.view.stop();
});

test('it is redrawn in place, below what stood on the screen before', async (t) => {
  const { screen, clock, view } = setUp(72, 8);
  screen.write('$ weir run\n');
  view.start();
  const drawn = screen.writes;
  view.record(record());
  t.equal(screen.writes, drawn, 'a record draws nothing by itself');
  clock.advance(1000);
  t.equal(screen.writes, drawn + 4, 'four frames a second');
  t.match(
    screen.text,
    /^\$ weir run\n1 flow {2}1 record {2}10 packets\/s {2}8.00 kbit\/s .*\nPROTO .*\ntcp [^\n]*$/,
  );

  screen.writableNeedDrain = true;
  clock.advance(1000);
  t.equal(screen.writes, drawn + 4, 'a terminal that does not keep up gets no frames');
  screen.writableNeedDrain = false;

  clock.advance(11_000);
  t.match(
    screen.text,
    /^\$ weir run\n0 flows {2}1 record {2}0 packets\/s .*\nno flow in the last 10 s$/,
    'the window slides',
  );

  view.stop();
  t.equal(screen.cursorVisible, true);
  t.equal(screen.cursorRow, 3, 'the cursor stands below the table');
  t.equal(screen.listenerCount('resize'), 0);
  t.equal(clock.timers, 0);
  const before = screen.text;
  view.stop();
  view.clear();
  view.redraw();
  t.equal(screen.text, before, 'what is stopped draws and wipes nothing');
});

test('the table takes the screen but the last line, and says how many flows it hides', async (t) => {
  const { screen, clock, view } = setUp(80, 6);
  screen.write('$ weir run\n');
  view.start();
  for (let i = 1; i <= 9; i++) view.record(record({ sourceTransportPort: i, octetDeltaCount: 1000 * i }));
  clock.advance(250);
  t.same(
    screen.text.split('\n').map((line) =>
      line
        .replace(/ +10.0.0.1:/, ' ')
        .slice(0, 12)
        .trimEnd(),
    ),
    ['9 flows  9 r', 'PROTO SOURCE', 'tcp 9 10.0.0', 'tcp 8 10.0.0', '… and 7 more'],
  );
  clock.advance(250);
  t.match(screen.text, /^9 flows/, 'nothing scrolls from frame to frame');

  screen.resize(30, 4);
  t.match(screen.text, /^9 flows[^\n]*…\nPROTO[^\n]*\n… and 9 more$/);
  screen.resize(80, 2);
  t.match(screen.text, /^9 flows[^\n]*$/);
  screen.resize(80, 1);
  t.equal(screen.text, '');
  screen.resize(80, 12);
  t.equal(screen.text.split('\n').length, 11);
  view.stop();
});

test('rows above the table are left as they are, where ten flows have room', async (t) => {
  for (const [rows, first] of [
    [15, 'introduction'],
    [14, '20 flows  20 r'],
  ] as const) {
    const { screen, clock, view } = setUp(80, rows, { rowsAbove: 2 });
    screen.write('introduction\n\n');
    view.start();
    for (let i = 1; i <= 20; i++) view.record(record({ sourceTransportPort: i }));
    clock.advance(250);
    t.match(screen.text.split('\n')[0], first);
    t.match(screen.text, /… and \d+ more$/);
    view.stop();
  }
});

test('a line of the log comes between: the table steps aside and back', async (t) => {
  const { screen, clock, view } = setUp(80, 5);
  view.start();
  view.record(record());
  clock.advance(250);
  const table = screen.text;
  view.clear();
  t.equal(screen.text, '');
  screen.write('a line of the log\n');
  view.redraw();
  t.equal(screen.text, `a line of the log\n${table}`);
  view.clear();
  screen.write('and another\n');
  view.redraw();
  t.equal(screen.text, `and another\n${table}`, 'what does not fit scrolls away');
  view.stop();
});

test('at most maxFlows are kept, the smallest go, and the totals count every record', async (t) => {
  const { screen, clock, view } = setUp(80, 24, { maxFlows: 8 });
  view.start();
  view.record(record({ sourceTransportPort: 1, octetDeltaCount: 1e6 }));
  for (let i = 2; i <= 1000; i++)
    view.record(record({ sourceTransportPort: i, octetDeltaCount: 100, packetDeltaCount: 1 }));
  clock.advance(1000);
  const lines = screen.text.split('\n');
  t.match(lines[0], /^over [78] flows {2}1 000 records {2}1 009 packets\/s {2}8.80 Mbit\/s/);
  t.match(lines[2], /^tcp {3}10.0.0.1:1 .* 8.00 Mbit\/s$/, 'the largest stays');
  clock.advance(11_000);
  t.match(screen.text, /^0 flows {2}1 000 records/, 'once nothing was dropped lately, the number is exact');
  view.stop();
});

test('what a record carries cannot move the cursor', async (t) => {
  const { screen, clock, view } = setUp(100, 5);
  view.start();
  view.record(record({ sourceIPv4Address: '\x1b[2J\x1b[H', destinationIPv4Address: '\n\u202e' }));
  clock.advance(250);
  t.match(screen.text, /tcp +\\x1b\[2J\\x1b\[H:40000 +\\x0a\\u\{202e\}:443/);
  view.stop();
});

test('colours come only where they are wanted', async (t) => {
  for (const color of [true, false]) {
    const { screen, clock, view } = setUp(80, 5, { color });
    const written: string[] = [];
    const { write } = screen;
    screen.write = (text) => {
      written.push(text);
      return write.call(screen, text);
    };
    view.start();
    view.record(record());
    clock.advance(250);
    t.equal(written.join('').includes('\x1b[1m'), color);
    view.stop();
  }
});
