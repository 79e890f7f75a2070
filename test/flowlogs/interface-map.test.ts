/** Numbers of interfaces: the same for ever, over restarts and whatever became of the process. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { InterfaceMapError, MOST_INTERFACES, openInterfaceMap } from '../../src/flowlogs/interface-map.ts';

const octets = (text: string): [DataView, number, number] => [
  new DataView(new TextEncoder().encode(`..${text}..`).buffer),
  2,
  2 + Buffer.byteLength(text),
];

t.test('numbers are given in order, and stay', async (t) => {
  const path = join(t.testdir(), 'map');
  const first = openInterfaceMap(path);
  t.same(
    [first.number(...octets('eni-a')), first.number(...octets('eni-b')), first.number(...octets('eni-a'))],
    [1, 2, 1],
  );
  t.equal(
    readFileSync(path, 'utf8'),
    '1 eni-a\n2 eni-b\n',
    'written before they are used: nothing has been saved yet',
  );
  await first.save();
  first.close();
  const second = openInterfaceMap(path);
  t.equal(second.size, 2);
  t.same(second.interfaces(9), [], 'none was met in this run');
  t.same([second.number(...octets('eni-c')), second.number(...octets('eni-b'))], [3, 2]);
  t.same(second.interfaces(9), [
    { index: 2, name: 'eni-b' },
    { index: 3, name: 'eni-c' },
  ]);
  t.same(second.interfaces(1), [{ index: 2, name: 'eni-b' }]);
  t.same(
    [second.name(1), second.name(4), second.name(0), second.name(70_000)],
    ['eni-a', undefined, undefined, undefined],
  );
  second.close();
});

t.test(
  "a number whose line was taken out is not given again; a line that was not finished was nobody's",
  async (t) => {
    const path = join(t.testdir({ map: '2 eni-b\n7 eni-g\n8 eni-' }), 'map');
    const map = openInterfaceMap(path);
    t.equal(readFileSync(path, 'utf8'), '2 eni-b\n7 eni-g\n');
    t.same([map.number(...octets('eni-a')), map.number(...octets('eni-g'))], [8, 7]);
    t.equal(readFileSync(path, 'utf8'), '2 eni-b\n7 eni-g\n8 eni-a\n');
    map.close();
  },
);

t.test('a file that is no interface map is left alone', async (t) => {
  const MISTAKES: readonly [string, RegExp][] = [
    ['1 eni-a\nhello\n', /map:2: "hello" is not a number from 1 to 65535 and an interface's ID/],
    ['1 eni-a\n1 eni-b\n', /map:2: number 1 is there twice/],
    ['1 eni-a\n2 eni-a\n', /map:2: eni-a is there twice/],
    ['65536 eni-a\n', /map:1: /],
  ];
  for (const [i, [text, message]] of MISTAKES.entries()) {
    const path = join(t.testdir({ [`${i}`]: {} }), `${i}`, 'map');
    writeFileSync(path, text);
    t.throws(() => openInterfaceMap(path), { message });
    t.equal(readFileSync(path, 'utf8'), text);
  }
  t.throws(
    () => openInterfaceMap('/nowhere/at/all'),
    new InterfaceMapError('the interface map /nowhere/at/all: ENOENT'),
  );
});

t.test('65 535 interfaces, and no more; many of them alike', async (t) => {
  const map = openInterfaceMap(undefined);
  const id = (i: number) => octets(`eni-${i}-0000000`);
  let wrong = 0;
  for (let i = 1; i <= MOST_INTERFACES; i += 64) {
    for (let k = i; k < i + 64 && k <= MOST_INTERFACES; k++)
      if (map.number(...octets(`eni-${k}`)) !== k) wrong++;
  }
  t.equal(wrong, 0);
  t.equal(map.number(...octets('eni-one-more')), 0);
  t.equal(map.number(...octets('eni-777')), 777);
  t.equal(map.name(MOST_INTERFACES), `eni-${MOST_INTERFACES}`);
  const other = openInterfaceMap(undefined);
  for (let i = 1; i <= 500; i++) if (other.number(...id(i)) !== i) wrong++;
  for (let i = 1; i <= 500; i++) if (other.number(...id(i)) !== i) wrong++;
  t.equal(wrong, 0, 'IDs with the same end');
  t.equal(other.number(...octets('x'.repeat(256))), 0, 'no ID');
});
