import t from 'tap';
import { lookForProgramsIn, runProgram, runProgramSync } from '../../src/system/program.ts';

t.test('arguments are arguments, the environment is small, and nothing waits for input', async (t) => {
  const words = ['$HOME', '; exit 3', '`id`', '--', '*'];
  t.same(await runProgram('printf', ['%s|', ...words], 5000), {
    code: 0,
    stdout: words.map((word) => `${word}|`).join(''),
    stderr: '',
  });
  // The test runner adds its own to whatever a test starts.
  const { stdout } = (await runProgram('env', [], 5000))!;
  const names = stdout.split('\n').map((line) => line.replace(/=.*/, ''));
  for (const name of ['PATH', 'LC_ALL']) t.ok(names.includes(name), name);
  const { HOME } = process.env;
  t.ok(HOME !== undefined && !names.includes('HOME'), 'but not what this process has');
  t.match(await runProgram('cat', [], 5000), { code: 0, stdout: '' });
  t.match(runProgramSync('sh', ['-c', 'echo out; echo err >&2; exit 3']), {
    status: 3,
    stdout: 'out\n',
    stderr: 'err\n',
  });
});

t.test('how a program ends', async (t) => {
  t.equal(await runProgram('weir-no-such-program', [], 5000), undefined);
  t.match(await runProgram('sh', ['-c', 'echo no >&2; exit 3'], 5000), { code: 3, stderr: 'no\n' });
  t.match(await runProgram('sleep', ['60'], 50), { code: 128 }, 'its time was over');
  const { code, stdout } = (await runProgram('yes', [], 60_000))!;
  t.equal(code, 128, 'it said too much');
  t.ok(stdout.length < 8e6);
  await t.rejects(runProgram('/dev/null', [], 5000), { code: 'EACCES' });
});

t.test('programs are looked for where the command line says', async (t) => {
  const folder = t.testdir({});
  lookForProgramsIn(folder);
  t.equal(await runProgram('cat', [], 5000), undefined);
});
