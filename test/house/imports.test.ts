/**
 * The rules of the house (docs/architecture.md): the line reads from left to right, no import runs to the right,
 * none runs in a circle, and only the command line touches the process, and the
 * entry of the Lambda functions.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const src = join(root, 'src');

/** What each stage may import beside itself. A file at the top is a stage of its own. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  system: [],
  capture: ['system'],
  packet: ['capture'],
  flow: ['capture', 'packet'],
  export: ['flow'],
  transport: [],
  collect: ['export'],
  aws: [],
  flowlogs: ['flow', 'export', 'aws'],
  config: [],
  host: ['system'],
  // With aws/ one world, and the line is the other: neither imports the other, so metering never waits for AWS.
  router: ['system', 'aws'],
  metrics: ['capture', 'packet', 'flow', 'export', 'transport', 'flowlogs'],
  'probe.ts': ['capture', 'packet', 'flow', 'export'],
  workers: ['host', 'capture', 'packet', 'flow', 'export', 'transport', 'probe.ts'],
  'worker.ts': ['capture', 'probe.ts', 'workers'],
  cli: [
    'system',
    'capture',
    'packet',
    'flow',
    'export',
    'transport',
    'collect',
    'config',
    'host',
    'aws',
    'router',
    'metrics',
    'flowlogs',
    'probe.ts',
    'workers',
    'worker.ts',
  ],
  // Another command line: events for arguments, environment variables for flags.
  lambda: ['aws', 'flowlogs', 'export', 'transport', 'config', 'cli'],
};

/** Where the program meets the process: the command line, and the entry of the functions' bundle. */
const TOUCHES_PROCESS = (file: string): boolean => stageOf(file) === 'cli' || file === 'lambda/main.ts';

/** Of export/, collectors know the registry of elements alone: what they decode they read from the RFCs. */
const COLLECT_MAY_IMPORT = ['export/elements.ts'];

const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(
  (file) => file.endsWith('.ts') && !file.endsWith('.d.ts'),
);
const text = new Map(files.map((file) => [file, readFileSync(join(src, file), 'utf8')]));
const imports = new Map(
  files.map((file) => [
    file,
    [...text.get(file)!.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map((match) =>
      relative(src, join(src, dirname(file), match[1]!)),
    ),
  ]),
);
const stageOf = (file: string): string => file.split('/')[0]!;

t.test('every stage is known, and imports only stages to its left', async (t) => {
  t.ok(files.length > 50, 'the sources were found');
  for (const [file, targets] of imports) {
    const stage = stageOf(file);
    const allowed = MAY_IMPORT[stage];
    if (allowed === undefined) {
      t.fail(`${file}: the stage ${stage} is not in the picture`);
      continue;
    }
    for (const target of targets) {
      t.ok(text.has(target), `${file} imports ${target}, which exists`);
      const to = stageOf(target);
      if (to !== stage) t.ok(allowed.includes(to), `${file} may import ${target}`);
      if (stage === 'collect' && to === 'export')
        t.ok(COLLECT_MAY_IMPORT.includes(target), `${file} may import ${target}`);
    }
  }
});

t.test('the line and AWS do not know each other', async (t) => {
  const line = ['capture', 'packet', 'flow', 'export', 'transport', 'probe.ts', 'workers', 'worker.ts'];
  for (const [stage, allowed] of Object.entries(MAY_IMPORT)) {
    if (line.includes(stage)) t.notOk(allowed.includes('aws') || allowed.includes('router'), stage);
    if (stage === 'aws' || stage === 'router')
      t.notOk(
        allowed.some((one) => line.includes(one)),
        stage,
      );
  }
});

t.test('no circles', async (t) => {
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) {
      t.fail(`a circle: ${[...path.slice(path.indexOf(file)), file].join(' → ')}`);
      return;
    }
    if (done.has(file)) return;
    for (const target of imports.get(file) ?? []) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
  t.equal(done.size, files.length);
});

t.test('only cli/ and the entry of lambda/ touch the process', async (t) => {
  for (const [file, source] of text) {
    if (TOUCHES_PROCESS(file)) continue;
    const code = source.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
    t.notMatch(code, /\bprocess\s*\.|from 'node:process'|\bconsole\s*\./, `${file} leaves the process alone`);
  }
});

t.test('only system/program.ts starts programs, without a shell', async (t) => {
  for (const [file, source] of text) {
    if (file === 'system/program.ts') continue;
    // Types cost nothing and start nothing.
    const started = /import (?!type\b)[^;]*from '(node:)?(child_process|cluster)'/.test(source);
    t.notOk(started, `${file} starts programs by system/program.ts`);
    t.notMatch(source, /(import|require)\(\s*'(node:)?child_process'/, file);
  }
  const source = text.get('system/program.ts')!;
  t.equal(source.match(/\bspawn(Sync)?\(/g)?.length, source.match(/shell: false/g)?.length);
  t.notMatch(source, /\bexec(Sync)?\(|shell: true/);
});
