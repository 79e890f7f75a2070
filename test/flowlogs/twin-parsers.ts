/** Two parsers of the same lines: one with the short way of plain lines, one without. What they say has to be equal. */

import { openInterfaceMap } from '../../src/flowlogs/interface-map.ts';
import { LineAssembler } from '../../src/flowlogs/line-assembler.ts';
import { Line, LineParser } from '../../src/flowlogs/line-parser.ts';
import type { LogFormat } from '../../src/flowlogs/log-object.ts';
import { StringArena } from '../../src/flowlogs/string-arena.ts';
import { hex } from '../support/octets.ts';

export interface Reading {
  /** Of each line what it is, where it ends, and, of a record, all that it says. */
  readonly lines: readonly string[];
  /** Lines that went the short way. */
  readonly plain: number;
  /** The format has a short way. */
  readonly hasPlain: boolean;
}

const LF = 0x0a;
/** Not all that there is room for: the last of them is not always the last of what was loaded. */
const MOST_TOGETHER = 50;

/** By format; each has memory of its own, which V8 is slow to give up. */
const parsers = new Map<string, LineParser>();

function parserOf(format: LogFormat, withPlain: boolean): LineParser {
  const key = `${withPlain} ${format.fields.join(' ')}`;
  let parser = parsers.get(key);
  if (parser === undefined) {
    if (parsers.size > 500) parsers.clear();
    parser = new LineParser({
      format,
      withEnterprise: false,
      withStrings: false,
      strings: new StringArena(),
      interfaceMap: openInterfaceMap(undefined),
      withPlain,
      clockMilliseconds: () => 1_700_000_000_000,
    });
    if (parser.plainProblem !== undefined) throw parser.plainProblem;
    parsers.set(key, parser);
  }
  return parser;
}

/** All that a record says. */
function textOf({ record, action, direction, hasInterface, interfaceNumber }: LineParser): string {
  const { view, offset, layout } = record;
  let text = ` ${action} ${direction} ${hasInterface} ${interfaceNumber} IPv${layout.ipVersion}`;
  for (const [name, field] of layout.fields) {
    const at = view.byteOffset + offset + field.offset;
    text += ` ${name}=${hex(new Uint8Array(view.buffer, at, field.size))}`;
  }
  return text;
}

/** Reads a text that comes in chunks of so many octets. */
export function readLines(
  format: LogFormat,
  text: Uint8Array,
  chunkOctets: number,
  withPlain: boolean,
): Reading {
  const parser = parserOf(format, withPlain);
  const lines: string[] = [];
  let plain = 0;
  const assembler = new LineAssembler();
  const take = ({ bytes, from, to }: { bytes: Uint8Array; from: number; to: number }): void => {
    parser.position = from;
    while (parser.position < to) {
      const begin = parser.position;
      const rows = parser.takePlain(bytes, MOST_TOGETHER, false);
      let at = begin;
      for (let row = 0; row < rows; row++) {
        parser.point(row);
        const end = bytes.indexOf(LF, at) + 1;
        lines.push(`${Line.RECORD} ${end - at}${textOf(parser)}`);
        at = end;
      }
      plain += rows;
      if (rows > 0) {
        if (parser.position !== at) throw new Error(`${rows} lines end at ${at}, and not ${parser.position}`);
        continue;
      }
      const kind = parser.next(bytes);
      if (parser.position <= begin || parser.position > to) throw new Error(`at ${parser.position} of ${to}`);
      lines.push(`${kind} ${parser.position - begin}${kind === Line.RECORD ? textOf(parser) : ''}`);
    }
  };
  for (let at = 0; at < text.length; at += chunkOctets)
    for (const each of assembler.push(text.subarray(at, at + chunkOctets))) take(each);
  const last = assembler.end();
  if (last !== undefined) take(last);
  return { lines, plain, hasPlain: parser.plain !== undefined };
}

/** The first line of which both do not say the same; '': there is none. */
export function differenceOfLines(format: LogFormat, text: Uint8Array, chunkOctets: number): string {
  const short = readLines(format, text, chunkOctets, true).lines;
  const long = readLines(format, text, chunkOctets, false).lines;
  for (let i = 0; i < Math.max(short.length, long.length); i++)
    if (short[i] !== long[i]) return `line ${i + 1}: short ${short[i]}, long ${long[i]}`;
  return '';
}
