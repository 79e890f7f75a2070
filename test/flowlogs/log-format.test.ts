// biome-ignore-all lint/suspicious/noTemplateCurlyInString: so EC2 writes formats.
/** Where a format comes from, and what is none; the elements of fields. */

import t from 'tap';
import { fieldOf, LOG_FIELDS, unknownField } from '../../src/flowlogs/fields.ts';
import {
  DEFAULT_FORMAT,
  FormatError,
  formatOfColumns,
  isHeader,
  parseFormat,
} from '../../src/flowlogs/log-format.ts';

t.test('formats', async (t) => {
  t.same(parseFormat('${version} ${srcaddr}').fields, ['version', 'srcaddr']);
  t.same(parseFormat(' version  a-field-of-tomorrow\r\n').fields, ['version', 'a-field-of-tomorrow']);
  t.same(formatOfColumns(['account_id', 'pkt-srcaddr', 'instance_tag_2']).fields, [
    'account-id',
    'pkt-srcaddr',
    'instance-tag-2',
  ]);
  t.equal(DEFAULT_FORMAT.fields.length, 14);
});

t.test('mistakes are named, with their place', async (t) => {
  const MISTAKES: readonly [string, string][] = [
    ['', 'a format names at least one field'],
    [
      '${version},${srcaddr}',
      '"${version},${srcaddr}" at character 1 is not ${name}: fields stand between spaces',
    ],
    ['version $srcaddr', '"$srcaddr" at character 9 is not ${name}: fields stand between spaces'],
    ['version end version', '"version" at character 13 is there twice'],
    [
      'Version',
      '"Version" at character 1 is no field name: those have lower-case letters, digits and hyphens',
    ],
    [Array.from({ length: 257 }, (_, i) => `f${i}`).join(' '), 'more than 256 fields'],
  ];
  for (const [text, message] of MISTAKES)
    t.throws(() => parseFormat(text), new FormatError(message), text.slice(0, 40));
  t.throws(() => formatOfColumns(['end', 'END']), new FormatError('"end" in column 2 is there twice'));
});

t.test('a header line has names and nothing else', async (t) => {
  t.ok(isHeader(DEFAULT_FORMAT.fields.join(' ')));
  t.ok(isHeader('srcaddr tomorrow\r\n'));
  t.notOk(isHeader('srcaddr tomorrow the-day-after'), 'half of them known');
  t.notOk(isHeader('2 123456789010 eni-1 - - - - - - - 1 2 - NODATA'));
  t.notOk(isHeader(''));
});

t.test(
  'elements under the enterprise number: one a field, below 2^15, the same after a restart',
  async (t) => {
    const elements = LOG_FIELDS.map(({ element }) => element).filter((element) => element !== 0);
    t.equal(new Set(elements).size, elements.length);
    t.ok(elements.every((element) => element < 1024));
    // Told to collectors once and for all: whoever changes these breaks them.
    t.equal(fieldOf('account-id')?.element, 2);
    t.equal(fieldOf('tgw-attachment-id')?.element, 16);
    t.equal(fieldOf('next-hop-interface-type')?.element, 56);
    const tomorrow = unknownField('a-field-of-tomorrow', new Set());
    t.equal(tomorrow.element, 1024 + (fnv('a-field-of-tomorrow') % 31_744));
    t.equal(unknownField('a-field-of-tomorrow', new Set([tomorrow.element])).element, tomorrow.element + 1);
  },
);

/** FNV-1a, 32 bits, by its definition. */
function fnv(text: string): number {
  let hash = 0x811c9dc5n;
  for (const octet of Buffer.from(text)) hash = ((hash ^ BigInt(octet)) * 0x01000193n) & 0xffffffffn;
  return Number(hash);
}
