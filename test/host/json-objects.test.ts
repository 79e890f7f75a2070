import fc from 'fast-check';
import { test } from 'tap';
import { JsonObjects } from '../../src/host/json-objects.ts';

test('objects of an array, whatever the pieces that it comes in', async (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.dictionary(fc.string(), fc.jsonValue())),
      fc.array(fc.nat(40)),
      (objects, cuts) => {
        const text = JSON.stringify(objects);
        const seen: unknown[] = [];
        const taker = new JsonObjects((object) => seen.push(JSON.parse(object)));
        let at = 0;
        for (const cut of cuts) {
          taker.write(text.slice(at, at + cut));
          at += cut;
        }
        taker.write(text.slice(at));
        taker.end();
        t.equal(JSON.stringify(seen), text);
      },
    ),
  );
});

test('braces and quotes within strings; white space; nothing at all', async (t) => {
  const seen: string[] = [];
  const taker = new JsonObjects((object) => seen.push(object));
  taker.write('');
  taker.write('[ ]');
  taker.end();
  taker.write('[\n {"a":"}{\\"\\\\"} , {"b":{"c":[{}]}}]\n');
  taker.end();
  t.same(seen, ['{"a":"}{\\"\\\\"}', '{"b":{"c":[{}]}}']);
});

test('an array that ends within an object', async (t) => {
  const taker = new JsonObjects(() => undefined);
  taker.write('[{"a":1},{"b"');
  t.throws(() => taker.end(), /ends within an object/);
});
