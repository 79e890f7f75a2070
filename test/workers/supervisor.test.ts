import { test } from 'tap';
import { WorkerFailure } from '../../src/workers/card.ts';
import type { LogLevel } from '../../src/workers/messages.ts';
import { Supervisor } from '../../src/workers/supervisor.ts';

/** The threads' code, as it would stand in a file. It may use `port`, `data` and `post`. */
function entry(code: string): URL {
  const source = `
    import { parentPort as port, workerData as data } from 'node:worker_threads';
    const post = (message) => port.postMessage(message);
    ${code}`;
  return new URL(`data:text/javascript,${encodeURIComponent(source)}`);
}

function supervise(code: string, count = 1) {
  const log: { level: LogLevel; message: string }[] = [];
  const supervisor = new Supervisor({
    count,
    entry: entry(code),
    interfaces: ['eth0'],
    slots: 1,
    collectors: 1,
    line: 'the line',
    log: (level, message) => log.push({ level, message }),
    onNotice: () => undefined,
    onMessage: () => undefined,
    nowMilliseconds: () => performance.now(),
  });
  return { supervisor, log };
}

const ROUTINE = `
  port.on('message', ({ kind }) => {
    if (kind === 'join') post({ kind: 'joined' });
    if (kind === 'capture') post({ kind: 'capturing' });
    if (kind === 'stop') { post({ kind: 'stopped', unknownLinkTypes: [data.index] }); port.close(); }
  });`;

test('workers join one after the other, capture together and stop', async (t) => {
  const { supervisor, log } = supervise(ROUTINE, 3);
  t.equal(supervisor.running, 0);
  await supervisor.start();
  t.equal(supervisor.running, 3);
  await supervisor.stop(1000);
  t.equal(supervisor.running, 0);
  t.same([...supervisor.unknownLinkTypes].sort(), [0, 1, 2]);
  t.same(log, []);
});

test('a worker that cannot start: why, and with which exit code', async (t) => {
  const { supervisor } = supervise("post({ kind: 'failed', message: 'no such thing', exitCode: 2 });");
  await t.rejects(supervisor.start(), { constructor: WorkerFailure, message: 'no such thing', exitCode: 2 });
  await supervisor.stop(0);
});

test('one that dies at its start is told by its error', async (t) => {
  const { supervisor } = supervise("throw new Error('broken');");
  await t.rejects(supervisor.start(), { message: 'broken' });
  await supervisor.stop(0);
});

test('one that dies again and again is given up', async (t) => {
  const { supervisor, log } = supervise(`${ROUTINE}
    port.on('message', ({ kind }) => { if (kind === 'capture') setImmediate(() => { throw new Error('sick'); }); });`);
  await supervisor.start();
  await t.rejects(supervisor.finished, { message: 'worker 0 has died 6 times in a row: sick' });
  t.equal(supervisor.restarts, 5);
  t.equal(log.filter(({ level, message }) => level === 'error' && message.endsWith('sick')).length, 6);
  await supervisor.stop(0);
});

test('one that does not stop is ended when the time is over', async (t) => {
  const { supervisor, log } = supervise(`${ROUTINE.replace("kind === 'stop'", 'false')}`);
  await supervisor.start();
  const from = performance.now();
  await supervisor.stop(400);
  const took = performance.now() - from;
  t.ok(took >= 390 && took < 3000, `${took} ms`);
  t.match(log, [{ level: 'error', message: 'worker 0 has died: it was terminated' }]);
});
