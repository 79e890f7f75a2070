import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { StateFile } from '../../src/cli/state-file.ts';

const HELD = { flows: 3, packets: 30, octets: 3000, queuedRecords: 2 };
const START = Date.UTC(2026, 0, 1);

const fail = (error: unknown) => {
  throw error;
};

/** Intervals whose time the test makes pass. */
function timers() {
  const acts = new Map<() => void, { milliseconds: number; passed: number }>();
  return {
    every(milliseconds: number, act: () => void) {
      acts.set(act, { milliseconds, passed: 0 });
      return () => void acts.delete(act);
    },
    advance(milliseconds: number) {
      for (const [act, timer] of acts) {
        timer.passed += milliseconds;
        for (; timer.passed >= timer.milliseconds; timer.passed -= timer.milliseconds) act();
      }
    },
  };
}

t.test('a file that is there while Weir runs', async (t) => {
  const { every, advance } = timers();
  const folder = t.testdir({});
  const path = join(folder, 'state.json');
  const errors: unknown[] = [];
  let held = HELD;
  let now = START;
  const make = () =>
    new StateFile({
      path,
      held: () => held,
      clock: () => now,
      every,
      onError: (error) => errors.push(error),
    });
  const read = () => JSON.parse(readFileSync(path, 'utf8'));
  const startedAt = '2026-01-01T00:00:00.000Z';

  const clean = make();
  t.equal(clean.begin(), undefined, 'the first run has none before it');
  t.same(read(), { startedAt, aliveAt: startedAt, ...HELD });
  clean.end();
  t.same(readdirSync(folder), [], 'a clean end leaves nothing');
  clean.end();

  const killed = make();
  t.equal(killed.begin(), undefined);
  held = { flows: 5, packets: 50, octets: 5000, queuedRecords: 0 };
  now += 2500;
  advance(2500);
  const last = { startedAt, aliveAt: '2026-01-01T00:00:02.500Z', ...held };
  t.same(read(), last, 'brought up to date every two seconds');

  const next = make();
  t.same(next.begin(), { last }, 'what a run that never ended has left');
  t.match(read(), { startedAt: '2026-01-01T00:00:02.500Z' });
  next.end();
  t.notOk(existsSync(path));

  killed.end();
  t.same(errors, []);
});

t.test('a start that fails leaves what the run before had left', async (t) => {
  const path = join(t.testdir({}), 'state.json');
  const make = () => new StateFile({ path, held: () => HELD, clock: () => START, onError: fail });
  const first = make();
  first.undo();
  t.equal(first.begin(), undefined);
  first.undo();
  t.notOk(existsSync(path), 'nothing was there before');

  make().begin(); // and never ends
  const left = readFileSync(path, 'utf8');
  const failed = make();
  t.ok(failed.begin());
  failed.undo();
  t.equal(readFileSync(path, 'utf8'), left);
  const next = make();
  t.match(next.begin(), { last: HELD });
  next.end();
});

t.test('a file that says nothing of use still says that the end was not clean', async (t) => {
  const path = join(t.testdir({}), 'state.json');
  const state = { startedAt: 'x', aliveAt: 'x', ...HELD };
  for (const text of [
    '',
    '{"flows":',
    'null',
    '[]',
    JSON.stringify({ ...state, flows: '3' }),
    '{"startedAt":"x"}',
  ]) {
    writeFileSync(path, text);
    const file = new StateFile({ path, held: () => HELD, clock: () => START, onError: fail });
    t.same(file.begin(), { last: undefined }, JSON.stringify(text));
    file.end();
  }
});

t.test('a file that cannot be written: at the start an error, later a complaint', async (t) => {
  const { every, advance } = timers();
  const folder = t.testdir({});
  const file = (path: string, onError: (error: unknown) => void) =>
    new StateFile({ path, held: () => HELD, clock: () => START, every, onError });
  t.throws(() => file(join(folder, 'no', 'state'), fail).begin(), { code: 'ENOENT' });
  t.throws(() => file(folder, fail).begin(), { code: 'EISDIR' });

  const errors: unknown[] = [];
  const path = join(folder, 'state.json');
  const running = file(path, (error) => errors.push(error));
  running.begin();
  mkdirSync(`${path}.new`);
  advance(4100);
  t.match(errors, [{ code: 'EISDIR' }, { code: 'EISDIR' }]);
  running.end();
});
