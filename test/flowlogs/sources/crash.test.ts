/** SIGKILL at random points: every object is exported, and a crash repeats at most the one that was being exported. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { noMoto } from '../../support/moto.ts';
import { keyOf, logOf, startAwsBench } from './aws-bench.ts';

const OBJECTS = 36;
const CRASHES = 6;

t.test('a process that is killed again and again', { skip: noMoto }, async (t) => {
  const bench = await startAwsBench();
  await bench.createBucket('logs');
  const keys: string[] = [];
  for (let i = 0; i < OBJECTS; i++) {
    // Three flow logs, two regions, three hours: the look-back window moves on.
    const time = new Date(Date.UTC(2026, 0, 1, 22, 3 * i)).toISOString().slice(0, 16);
    const key = keyOf(time, { flowLog: `fl-${i % 3}`, region: i % 2 === 0 ? 'eu-west-1' : 'us-east-1' });
    keys.push(key);
    await bench.put('logs', key, logOf(i));
  }
  const folder = t.testdir({});
  const exported = join(folder, 'exported');
  const program = fileURLToPath(new URL('crash-reader.js', import.meta.url));
  const lines = (): string[] =>
    existsSync(exported)
      ? readFileSync(exported, 'utf8')
          .split('\n')
          .filter((line) => line !== '')
      : [];

  /** @returns whether it came to its end */
  const run = async (killAfter: number, delayMilliseconds: number): Promise<boolean> => {
    const child = spawn(
      process.execPath,
      [program, bench.moto.endpoint, 's3://logs', join(folder, 'checkpoint'), exported],
      { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NODE_OPTIONS: '' } },
    );
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    const gone = once(child, 'exit');
    let seen = 0;
    for await (const _ of createInterface({ input: child.stdout })) {
      if (seen++ === killAfter) {
        await sleep(delayMilliseconds);
        child.kill('SIGKILL');
      }
    }
    const [code, signal] = await gone;
    if (signal === null) t.equal(code, 0, errors);
    return signal === null;
  };

  let crashes = 0;
  for (; crashes < CRASHES; ) {
    const before = lines();
    const killAfter = Math.floor(Math.random() * 6);
    const delay = Math.random() * 8;
    const where = `killed ${delay.toFixed(1)} ms after ${killAfter} objects`;
    if (await run(killAfter, delay)) break;
    crashes++;
    const [first, ...others] = lines().slice(before.length);
    if (first !== undefined && before.includes(first))
      t.equal(first, before.at(-1), `repeated is the last; ${where}`);
    t.notOk(
      others.some((name) => before.includes(name)),
      `no more than one is repeated; ${where}`,
    );
  }
  t.ok(crashes >= 4, `${crashes} crashes`);
  t.ok(await run(Number.POSITIVE_INFINITY, 0), 'a last run comes to its end');
  const all = lines();
  t.same(
    [...new Set(all)],
    keys.map((key) => `s3://logs/${key}`),
    'every object, in order',
  );
  t.ok(all.length <= OBJECTS + crashes, `${all.length - OBJECTS} repeats of ${crashes} crashes`);
});
