/** Lines of flow logs, in one piece and cut anywhere, with and without what only IPFIX takes. */

import { ok, strictEqual } from 'node:assert/strict';
import {
  FLOW_END_MILLISECONDS,
  FLOW_START_MILLISECONDS,
  OCTET_DELTA_COUNT,
  PACKET_DELTA_COUNT,
} from '../../../src/flow/flow-record.ts';
import { FAULT_KINDS } from '../../../src/flowlogs/convert-counts.ts';
import { LOG_FIELDS } from '../../../src/flowlogs/fields.ts';
import { openInterfaceMap } from '../../../src/flowlogs/interface-map.ts';
import { LineAssembler } from '../../../src/flowlogs/line-assembler.ts';
import { FIRST_FAULT, Line, LineParser } from '../../../src/flowlogs/line-parser.ts';
import { DEFAULT_FORMAT } from '../../../src/flowlogs/log-format.ts';
import type { LogFormat } from '../../../src/flowlogs/log-object.ts';
import { StringArena } from '../../../src/flowlogs/string-arena.ts';
import { differenceOfLines } from '../../flowlogs/twin-parsers.ts';
import type { Random } from '../random.ts';
import type { FuzzTarget } from '../target.ts';

const FORMATS: readonly LogFormat[] = [
  DEFAULT_FORMAT,
  { fields: LOG_FIELDS.filter(({ version }) => version <= 5).map(({ name }) => name) },
  { fields: [...LOG_FIELDS.filter(({ version }) => version === 6).map(({ name }) => name), 'start', 'end'] },
  { fields: ['pkt-srcaddr', 'a-field-of-tomorrow', 'packets', 'vpc-id', 'pkt-dstaddr', 'flow-direction'] },
];
const LF = 0x0a;

export const flowLog: FuzzTarget = {
  name: 'flow-log',

  /** The first octet chooses the format. */
  seeds(random) {
    return FORMATS.flatMap((format, i) =>
      Array.from({ length: 15 }, () => {
        const lines = Array.from({ length: 1 + random.below(4) }, () => line(format, random));
        return new TextEncoder().encode(
          `${String.fromCharCode(i)}${lines.join(random.pick(['\n', '\r\n']))}\n`,
        );
      }),
    );
  },

  run(input) {
    if (input.length === 0) return;
    const format = FORMATS[input[0]! % FORMATS.length]!;
    const text = input.subarray(1);
    const whole = read(format, text, text.length, true);
    const cut = read(format, text, 7, true);
    const plain = read(format, text, 64, false);
    strictEqual(differenceOfLines(format, text, 64), '', 'the short way of plain lines');
    // Where chunks end is nobody's business, and what a line is does not depend on who takes it.
    strictEqual(cut.said, whole.said, 'what the records say');
    strictEqual(cut.kinds, whole.kinds, 'what the lines are');
    strictEqual(plain.kinds, whole.kinds, 'what the lines are without strings');
    let lines = 0;
    for (const octet of text) if (octet === LF) lines++;
    if (text.length > 0 && text.at(-1) !== LF) lines++;
    strictEqual(whole.kinds.split(' ').length - 1, lines, 'each line is something, once');
  },
};

function read(format: LogFormat, text: Uint8Array, chunkOctets: number, withStrings: boolean) {
  const strings = new StringArena();
  const parser = new LineParser({
    format,
    withEnterprise: withStrings,
    withStrings,
    strings,
    interfaceMap: openInterfaceMap(undefined),
    clockMilliseconds: () => 1_700_000_000_000,
  });
  let kinds = '';
  let said = '';
  const take = ({ bytes, from, to }: { bytes: Uint8Array; from: number; to: number }): void => {
    parser.position = from;
    while (parser.position < to) {
      const before = parser.position;
      const kind = parser.next(bytes);
      ok(parser.position > before && parser.position <= to, `from ${before} to ${parser.position} of ${to}`);
      strictEqual(bytes[parser.position - 1], LF, 'a line ends with a line feed');
      ok(kind < FIRST_FAULT + FAULT_KINDS.length, `kind ${kind}`);
      kinds += `${kind} `;
      if (kind === Line.RECORD) said += recordText(parser, strings);
    }
  };
  const assembler = new LineAssembler();
  for (let at = 0; at < text.length; at += chunkOctets) {
    for (const lines of assembler.push(text.subarray(at, at + chunkOctets))) take(lines);
  }
  const last = assembler.end();
  if (last !== undefined) take(last);
  return { kinds, said };
}

function recordText({ record, layout }: LineParser, strings: StringArena): string {
  const { view, layout: lies } = record;
  for (const word of [OCTET_DELTA_COUNT, PACKET_DELTA_COUNT]) {
    const count = view.getFloat64(word * 4, true);
    ok(Number.isSafeInteger(count) && count >= 0, `a count of ${count}`);
  }
  const start = view.getFloat64(FLOW_START_MILLISECONDS * 4, true);
  const end = view.getFloat64(FLOW_END_MILLISECONDS * 4, true);
  ok(start >= 0 && start <= end && end < 2 ** 32 * 1000, `from ${start} to ${end}`);
  ok(layout.layouts.includes(lies), 'a layout of the format');
  let text = '';
  for (const [name, { offset, kind, size }] of lies.fields) {
    if (kind === 'string') {
      const at = view.getUint32(offset, true);
      const short = strings.octets[at]!;
      const [from, length] =
        short < 255 ? [at + 1, short] : [at + 3, (strings.octets[at + 1]! << 8) | strings.octets[at + 2]!];
      text += `${name}=${Buffer.from(strings.octets.subarray(from, from + length)).toString('utf8')} `;
    } else {
      for (let i = 0; i < size; i++) text += view.getUint8(offset + i).toString(16);
      text += ' ';
    }
  }
  return `${text}\n`;
}

function line({ fields }: LogFormat, random: Random): string {
  return fields.map((field) => value(field, random)).join(' ');
}

function value(field: string, random: Random): string {
  if (random.oneIn(8)) return '-';
  if (field.endsWith('addr')) {
    return random.pick([
      '192.0.2.1',
      '203.0.113.255',
      '2001:db8::1',
      '::ffff:192.0.2.1',
      '::',
      '1:2:3:4:5:6:7:8',
    ]);
  }
  if (field === 'log-status') return random.pick(['OK', 'OK', 'OK', 'NODATA', 'SKIPDATA']);
  if (field === 'action') return random.pick(['ACCEPT', 'REJECT']);
  if (field === 'flow-direction') return random.pick(['ingress', 'egress']);
  if (field === 'start') return `${1_700_000_000 + random.below(60)}`;
  if (field === 'end') return `${1_700_000_060 + random.below(60)}`;
  if (field === 'interface-id') return `eni-0123456789abcdef${random.below(10)}`;
  return random.pick([
    '0',
    '6',
    '17',
    '80',
    '65535',
    '4294967296',
    'vpc-0123456789abcdef0',
    'AMAZON_%C3%A9',
    'é',
  ]);
}
