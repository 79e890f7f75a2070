/** Rows of Parquet as lines. */

import { parquetWriteBuffer } from 'hyparquet-writer';
import t from 'tap';
import { openParquet } from '../../src/flowlogs/parquet-rows.ts';

const fileOf = (octets: ArrayBuffer) => ({
  byteLength: octets.byteLength,
  slice: async (start: number, end?: number) => octets.slice(start, end),
});

async function linesOf(octets: ArrayBuffer): Promise<{ fields: readonly string[]; chunks: string[] }> {
  const { format, chunks } = await openParquet(fileOf(octets));
  const texts: string[] = [];
  for await (const chunk of chunks()) texts.push(Buffer.from(chunk).toString('utf8'));
  return { fields: format.fields, chunks: texts };
}

t.test('types, what is not there, and what a line cannot hold', async (t) => {
  const octets = parquetWriteBuffer({
    columnData: [
      { name: 'account_id', data: ['012345678901', null, 'a b'], type: 'STRING' },
      { name: 'packets', data: [5_000_000_000n, null, 0n], type: 'INT64' },
      { name: 'srcport', data: [443, null, 0], type: 'INT32' },
      { name: 'start', data: [new Date(1_700_000_000_000), null, new Date(0)], type: 'TIMESTAMP' },
      { name: 'instance-tag', data: ['K%C3%B6ln', '', 'Köln'], type: 'STRING' },
    ],
  });
  const { fields, chunks } = await linesOf(octets);
  t.same(fields, ['account-id', 'packets', 'srcport', 'start', 'instance-tag']);
  t.same(chunks.join('').split('\n'), [
    '012345678901 5000000000 443 1700000000 K%C3%B6ln',
    '- - - - -',
    '\0 0 0 0 Köln',
    '',
  ]);
});

t.test('row groups one after the other, in chunks', async (t) => {
  const rows = 40_000;
  const data = Array.from({ length: rows }, (_, i) => `row-${i}`);
  const octets = parquetWriteBuffer({
    columnData: [{ name: 'subnet-id', data, type: 'STRING' }],
    rowGroupSize: 15_000,
    codec: 'SNAPPY',
  });
  const { chunks } = await linesOf(octets);
  t.ok(chunks.length > 1 && chunks.every((chunk) => chunk.endsWith('\n')));
  t.equal(chunks.join(''), `${data.join('\n')}\n`);
});

t.test('a file that is cut short is no Parquet file', async (t) => {
  const octets = parquetWriteBuffer({ columnData: [{ name: 'srcport', data: [1, 2, 3], type: 'INT32' }] });
  await t.rejects(linesOf(octets.slice(0, octets.byteLength - 5)));
  await t.rejects(linesOf(new ArrayBuffer(0)));
});
