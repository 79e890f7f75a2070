import { test } from 'tap';
import * as format from '../../src/cli/format.ts';

/** Rows of arguments and the text that they give. */
const TABLES: readonly [
  name: string,
  call: (...args: never[]) => string,
  rows: readonly [unknown[], string][],
][] = [
  [
    'octets',
    format.octets,
    [
      [[0], '0 B'],
      [[999], '999 B'],
      [[1000], '1.00 kB'],
      [[1500], '1.50 kB'],
      [[9994], '9.99 kB'],
      [[9996], '10.0 kB'],
      [[99_949], '99.9 kB'],
      [[99_951], '100 kB'],
      [[999_499], '999 kB'],
      [[999_500], '1.00 MB'],
      [[2 ** 53], '9.01 PB'],
      [[Number.NaN], '? B'],
    ],
  ],
  [
    'bitRate',
    format.bitRate,
    [
      [[0], '0 bit/s'],
      [[0.4], '0 bit/s'],
      [[9.6], '10 bit/s'],
      [[123.4], '123 bit/s'],
      [[999.6], '1.00 kbit/s'],
      [[1_234_567], '1.23 Mbit/s'],
    ],
  ],
  [
    'count',
    format.count,
    [
      [[0], '0'],
      [[999], '999'],
      [[1000], '1 000'],
      [[1_234_567], '1 234 567'],
      [[Number.POSITIVE_INFINITY], '?'],
    ],
  ],
  [
    'packetRate',
    format.packetRate,
    [
      [[0], '0'],
      [[0.04], '0.0'],
      [[0.44], '0.4'],
      [[9.96], '10'],
      [[358_000.4], '358 000'],
    ],
  ],
  [
    'duration',
    format.duration,
    [
      [[0], '0 s'],
      [[0.2], '1 ms'],
      [[999], '999 ms'],
      [[999.6], '1 s'],
      [[1234], '1.2 s'],
      [[9949], '9.9 s'],
      [[9951], '10 s'],
      [[59_499], '59 s'],
      [[59_500], '1 min 00 s'],
      [[185_000], '3 min 05 s'],
      [[3_599_600], '1 h 00 min'],
      [[7_620_000], '2 h 07 min'],
      [[356_400_000], '4 d 03 h'],
      [[-1], '?'],
      [[Number.NaN], '?'],
    ],
  ],
  ['timeOfDay', format.timeOfDay, [[[new Date(2026, 10, 21, 4, 5, 9).getTime()], '04:05:09']]],
  [
    'dateTime',
    format.dateTime,
    [
      [[new Date(2026, 10, 21, 4, 5, 9, 7).getTime()], '2026-11-21 04:05:09.007'],
      [[Number.NaN], '?'],
    ],
  ],
  [
    'tcpFlags',
    format.tcpFlags,
    [
      [[0], '......'],
      [[0x02], '....S.'],
      [[0x1b], '.AP.SF'],
      [[0x14], '.A.R..'],
      [[0xffff], 'UAPRSF'],
    ],
  ],
  [
    'protocolName',
    format.protocolName,
    [
      [[1], 'icmp'],
      [[6], 'tcp'],
      [[17], 'udp'],
      [[47], 'gre'],
      [[50], 'esp'],
      [[51], 'ah'],
      [[58], 'icmp6'],
      [[132], 'sctp'],
      [[253], '253'],
    ],
  ],
  [
    'endpoint',
    format.endpoint,
    [
      [['10.0.0.1', 443], '10.0.0.1:443'],
      [['2001:db8::1', 443], '[2001:db8::1]:443'],
      [['2001:db8::1'], '2001:db8::1'],
      [['10.0.0.1', 0], '10.0.0.1:0'],
    ],
  ],
  [
    'icmpText',
    format.icmpText,
    [
      [[0x0800, 4], 'echo request'],
      [[0x0000, 4], 'echo reply'],
      [[0x0303, 4], 'port unreachable'],
      [[0x0309, 4], 'type 3 code 9'],
      [[0x8000, 6], 'echo request'],
      [[0x0200, 6], 'packet too big'],
      [[0x0800, 6], 'type 8 code 0'],
    ],
  ],
  [
    'flowEndReasonText',
    format.flowEndReasonText,
    [
      [[0], ''],
      [[1], 'idle'],
      [[5], 'resources'],
      [[9], '9'],
    ],
  ],
  [
    'printable',
    format.printable,
    [
      [['eth0'], 'eth0'],
      [['a\x1b[2Jb\n'], 'a\\x1b[2Jb\\x0a'],
      [['\x9b31m\x7f\xad'], '\\x9b31m\\x7f\\xad'],
      [['é'], 'é'],
      [['\u202eabc'], '\\u{202e}abc'],
      [['漢'], '\\u{6f22}'],
      [['\u{1f980}'], '\\u{1f980}'],
      [['\ud800'], '\\u{d800}'],
    ],
  ],
  [
    'truncate',
    format.truncate,
    [
      [['abcdef', 6], 'abcdef'],
      [['abcdef', 5], 'abcd…'],
      [['abcdef', 1], '…'],
      [['abcdef', 0], ''],
    ],
  ],
  [
    'truncateMiddle',
    format.truncateMiddle,
    [
      [['[2001:db8::1]:443', 17], '[2001:db8::1]:443'],
      [['[2001:db8::1]:443', 9], '[200…:443'],
      [['[2001:db8::1]:443', 2], '…3'],
      [['[2001:db8::1]:443', 1], '…'],
      [['[2001:db8::1]:443', 0], ''],
    ],
  ],
];

for (const [name, call, rows] of TABLES) {
  test(name, async (t) => {
    for (const [args, expected] of rows) t.equal(call(...(args as never[])), expected, JSON.stringify(args));
  });
}

test('style colours only where it may, and never an empty text', async (t) => {
  t.equal(format.style(true).bold('x'), '\x1b[1mx\x1b[22m');
  t.equal(format.style(true).bold(''), '');
  t.equal(format.style(false).bold('x'), 'x');
});

test('what a terminal obeys is written out, and sentences stay as they are', async (t) => {
  t.equal(format.withoutControls('to-client → 5 kB, naïve …\n\tweir'), 'to-client → 5 kB, naïve …\n\tweir');
  t.equal(
    format.withoutControls('a\u001b]0;b\u0007c\u009bd\u2066e\rf'),
    'a\\x1b]0;b\\x07c\\x9bd\\u{2066}e\\x0df',
  );
});
