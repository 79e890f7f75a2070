/** Lines out of octets that are cut anywhere. */

import t from 'tap';
import { LineAssembler, type Lines } from '../../src/flowlogs/line-assembler.ts';
import { MOST_LINE_OCTETS } from '../../src/flowlogs/string-arena.ts';
import { Random } from '../fuzz/random.ts';

const textOf = ({ bytes, from, to }: Lines): string => Buffer.from(bytes).toString('latin1', from, to);

t.test('however it is cut, the text is the same, and what is handed over is whole lines', async (t) => {
  const random = new Random(1);
  for (let round = 0; round < 2000; round++) {
    const lines = Array.from({ length: random.below(6) }, () => 'abc'.slice(0, random.below(4)));
    const text = lines.join('\n');
    const octets = Buffer.from(text);
    const assembler = new LineAssembler();
    const parts: string[] = [];
    for (let at = 0; at < octets.length; ) {
      const size = random.below(4);
      parts.push(...assembler.push(octets.subarray(at, at + size)).map(textOf));
      at += size;
    }
    if (assembler.isWithinLine !== (text !== '' && !text.endsWith('\n')))
      t.fail(`${JSON.stringify(text)}: the end`);
    const last = assembler.end();
    if (last !== undefined) parts.push(textOf(last));
    if (!parts.every((part) => part.endsWith('\n'))) t.fail(`${JSON.stringify(parts)}: whole lines`);
    const wanted = text === '' || text.endsWith('\n') ? text : `${text}\n`;
    if (parts.join('') !== wanted) t.fail(`${JSON.stringify(text)} became ${JSON.stringify(parts)}`);
  }
  t.pass('2000 texts');
});

t.test('of a line that is too long, one octet too many is kept', async (t) => {
  const assembler = new LineAssembler();
  const chunk = Buffer.alloc(10_000, 'x');
  for (let i = 0; i < 100; i++) t.same(assembler.push(chunk), []);
  const [line, rest] = assembler.push(Buffer.from('x\nnext\nlast'));
  t.equal(line!.to, MOST_LINE_OCTETS + 2);
  t.equal(textOf(rest!), 'next\n');
  t.equal(textOf(assembler.end()!), 'last\n');
});
