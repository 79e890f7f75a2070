/** What a deadline does, and that it leaves nothing behind. */

import { getEventListeners } from 'node:events';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { within } from '../../src/host/within.ts';

const HOUR_MILLISECONDS = 3_600_000;
const TIMES = 10_000;

/** Resolves to why it was aborted. */
const untilAborted = (signal: AbortSignal): Promise<unknown> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve(signal.reason);
    else signal.addEventListener('abort', () => resolve(signal.reason), { once: true });
  });

t.test('work that ends in time is left alone', async (t) => {
  const { signal } = new AbortController();
  t.equal(await within(signal, HOUR_MILLISECONDS, async (own) => own.aborted), false);
  await t.rejects(
    within(signal, HOUR_MILLISECONDS, () => Promise.reject(new Error('its own'))),
    { message: 'its own' },
  );
  t.equal(getEventListeners(signal, 'abort').length, 0);
});

t.test('the deadline aborts it', async (t) => {
  // Its own timer keeps no process alive.
  const alive = setInterval(() => {}, HOUR_MILLISECONDS);
  t.teardown(() => clearInterval(alive));
  const { signal } = new AbortController();
  t.match(await within(signal, 1, untilAborted), { name: 'TimeoutError', message: /1 ms/ });
  t.equal(getEventListeners(signal, 'abort').length, 0);
  t.notOk(signal.aborted);
});

t.test('it is aborted together with what it is part of, before or meanwhile', async (t) => {
  const reason = new Error('the end');
  const stopping = new AbortController();
  const meanwhile = within(stopping.signal, HOUR_MILLISECONDS, untilAborted);
  stopping.abort(reason);
  t.equal(await meanwhile, reason);
  t.equal(await within(stopping.signal, HOUR_MILLISECONDS, untilAborted), reason);
  t.equal(getEventListeners(stopping.signal, 'abort').length, 0);
});

t.test('ten thousand of them leave the heap as it was', async (t) => {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const { signal } = new AbortController();
  const many = async () => {
    for (let i = 0; i < TIMES; i++) await within(signal, HOUR_MILLISECONDS, async (own) => own.aborted);
  };
  const heap = async () => {
    // What is only weakly held goes in the turn after.
    collectGarbage();
    await new Promise(setImmediate);
    collectGarbage();
    return getHeapStatistics().used_heap_size;
  };
  await many();
  const before = await heap();
  await many();
  const growth = (await heap()) - before;
  t.ok(growth < 10 * TIMES, `${growth} octets in ${TIMES} times`);
});
