/** The fuzzer finds what it is for, and its real targets stand a second of it. */

import { execFile } from 'node:child_process';
import t from 'tap';

const FUZZ = new URL('./fuzz.js', import.meta.url).pathname;
const faulty = (name: string) => new URL(`./faulty-targets.js?${name}`, import.meta.url).href;

function fuzz(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [FUZZ, ...args], { timeout: 60_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}

t.test('the real targets: no fault, and the summary says how much was tried', async (t) => {
  const { code, stdout } = await fuzz('--seconds', '3', '--seed', '7');
  t.match(
    stdout,
    /^seed 7\nno fault in 3 s: packet [1-9]\d+ inputs, capture-file [1-9]\d+ inputs, message [1-9]\d+ inputs, flow-record [1-9]\d+ inputs, tunnel [1-9]\d+ inputs, flow-log [1-9]\d+ inputs, metering [1-9]\d+ inputs\n$/,
  );
  t.equal(code, 0);
});

const FAULTS = {
  throws: /the invariant of this test is broken/,
  rejects: /the invariant of this test is broken/,
  hangs: /hangs: more than 1 s/,
  waits: /hangs: more than 1 s/,
  crashes: /crashes: .*nobody catches this/,
  hoards: /memory limit|hangs/, // whichever comes first: half a gigabyte, or a second
};

for (const [name, fault] of Object.entries(FAULTS)) {
  t.test(`a target that ${name}`, async (t) => {
    const { code, stdout } = await fuzz('--seconds', '30', '--seed', '7', '--table', faulty(name));
    t.equal(code, 1);
    t.match(stdout, fault);
    const again = /--seed 7, or --target (\S+) --input (ff[0-9a-f]*)\n$/.exec(stdout);
    t.equal(again?.[1], name, 'it prints the seed and the input');
    const repeated = await fuzz('--table', faulty(name), '--target', name, '--input', again?.[2] ?? '');
    t.equal(repeated.code, 1, 'and the input alone shows the fault again');
  });
}

t.test('a harmless input alone, and wrong arguments', async (t) => {
  t.equal((await fuzz('--table', faulty('sound'), '--target', 'sound', '--input', 'ff00')).code, 0);
  t.equal((await fuzz('--seconds', 'long')).code, 2);
  t.equal((await fuzz('--seed', '-1')).code, 2);
  t.equal((await fuzz('--target', 'packet', '--input', 'f')).code, 2);
  t.equal((await fuzz('--speed', '3')).code, 2);
});
