/** A program that stands for `ip`: it prints what a test has put into files, and `ip monitor` what the test says. */

import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface Test {
  teardown(end: () => void): void;
}

/** What it is asked for, and what it prints then. */
export interface Printed {
  link?: string;
  rule4?: string;
  rule6?: string;
  route4?: string;
  route6?: string;
}

export const DEFAULT_RULES = JSON.stringify([
  { priority: 0, src: 'all', table: 'local' },
  { priority: 32766, src: 'all', table: 'main' },
  { priority: 32767, src: 'all', table: 'default' },
]);

const SCRIPT = `#!/bin/sh
cd "$(dirname "$0")" || exit 1
echo "$*" >> calls
case "$*" in
  monitor*) while read -r line; do [ "$line" = end ] && exit 3; echo "$line"; done < monitor ;;
  *link*) file=link ;;
  '-json -4 rule'*) file=rule4 ;;
  '-json -6 rule'*) file=rule6 ;;
  '-json -4 route'*) file=route4 ;;
  '-json -6 route'*) file=route6 ;;
esac
if [ -e fail ]; then cat fail >&2; exit 2; fi
cat "$file"
`;

export class FakeIp {
  readonly program: string;
  readonly #folder: string;
  /** Held open both ways, so that nobody waits at opening it and nobody sees its end. */
  readonly #monitor: number;

  constructor(t: Test, printed: Printed = {}) {
    this.#folder = mkdtempSync(join(tmpdir(), 'weir-ip-'));
    this.program = join(this.#folder, 'ip');
    writeFileSync(this.program, SCRIPT, { mode: 0o755 });
    execFileSync('mkfifo', [join(this.#folder, 'monitor')]);
    this.#monitor = openSync(join(this.#folder, 'monitor'), constants.O_RDWR);
    this.print({
      link: '[]',
      rule4: DEFAULT_RULES,
      rule6: DEFAULT_RULES,
      route4: '[ ]',
      route6: '',
      ...printed,
    });
    t.teardown(() => {
      closeSync(this.#monitor);
      rmSync(this.#folder, { recursive: true });
    });
  }

  print(printed: Printed): void {
    for (const [file, text] of Object.entries(printed)) writeFileSync(join(this.#folder, file), text);
  }

  /** From now on every reading fails with this complaint; undefined: no longer. */
  fail(complaint: string | undefined): void {
    if (complaint === undefined) rmSync(join(this.#folder, 'fail'));
    else writeFileSync(join(this.#folder, 'fail'), complaint);
  }

  /** `ip monitor` says something. */
  say(): void {
    writeSync(this.#monitor, '10.0.0.0/8 via 10.1.0.2 dev a0\n');
  }

  /** `ip monitor` ends. */
  endMonitor(): void {
    writeSync(this.#monitor, 'end\n');
  }

  /** The arguments of each call so far. */
  get calls(): string[] {
    const file = join(this.#folder, 'calls');
    return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : [];
  }
}
