import { once } from 'node:events';
import { Writable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { LineOutput } from '../../src/cli/line-output.ts';

/** A stream that takes nothing until it is told to. */
class Stalled extends Writable {
  text = '';
  #waiting: (() => void) | undefined;
  open = false;

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    if (this.open) done();
    else this.#waiting = done;
  }

  flow(): void {
    this.open = true;
    this.#waiting?.();
  }
}

function setUp(stream: Writable) {
  const events: string[] = [];
  const output = new LineOutput(stream, {
    congested: () => events.push('congested'),
    drained: () => events.push('drained'),
    closed: (error) => events.push(`closed ${error.code}`),
  });
  output.start();
  return { output, events };
}

t.test('lines of one turn are one write, in order', async (t) => {
  const chunks: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(chunk.toString());
      done();
    },
  });
  const { output, events } = setUp(stream);
  output.line('a');
  output.line('b');
  await nextTurn();
  await nextTurn();
  t.same(chunks, ['a\nb\n']);
  output.line('c');
  await output.finish();
  t.equal(chunks.join(''), 'a\nb\nc\n');
  t.same(events, []);
  output.line('d');
  await nextTurn();
  await nextTurn();
  t.equal(chunks.join(''), 'a\nb\nc\n', 'nothing comes after the end');
});

t.test('a reader that stalls: bounded memory, counted loss, and on it goes', async (t) => {
  const stream = new Stalled();
  const { output, events } = setUp(stream);
  const line = 'x'.repeat(99_999);
  for (let index = 0; index < 300; index++) output.line(line);
  t.same(events, ['congested']);
  t.ok(output.dropped > 100 && output.dropped < 200, `${output.dropped} of 300 lines dropped`);
  const drained = once(stream, 'drain');
  stream.flow();
  await drained;
  await output.finish();
  t.equal(stream.text.length, (300 - output.dropped) * 100_000, 'and the others have all come');
  t.same(events, ['congested', 'drained']);
});

t.test('a reader that never comes back does not hold up the end', async (t) => {
  const stream = new Stalled();
  const { output } = setUp(stream);
  output.line('x');
  await output.finish(10);
  t.equal(stream.text, 'x\n', 'which it was given');
});

t.test('a reader that has gone', async (t) => {
  const stream = new Writable({
    write(_chunk, _encoding, done) {
      done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    },
  });
  const { output, events } = setUp(stream);
  output.line('x');
  await new Promise((resolve) => stream.once('close', resolve));
  t.equal(events.at(-1), 'closed EPIPE');
  output.line('y');
  await output.finish();
});
