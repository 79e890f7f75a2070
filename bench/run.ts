/**
 * npm run bench [-- PART…] [--runs N] [--seconds S] [--minutes M] [--octets N] [--json]
 *
 * Parts: read, live, latency, memory, encode, convert (whose stream has --octets, 5e9), all of these (the default), and
 * soak, which takes --minutes (20). Weir beside softflowd and a C program on the same input, each
 * trial in a fresh process, the contestants in turn. Standard output carries the result, standard error the progress.
 * Status 1: Weir's results are wrong, or the benchmark could not run. A missed demand is shown, and leaves 0: a
 * machine that does other things meanwhile misses demands too.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { benchConvert, STREAM_OCTETS } from './convert.ts';
import { benchEncode } from './encode.ts';
import { benchLatency } from './latency.ts';
import { benchLive } from './live.ts';
import { machineText, thisMachine } from './machine.ts';
import { benchMemory } from './memory.ts';
import { benchRead, type Surroundings } from './read.ts';
import { isMet, type Section, sectionText } from './report.ts';
import { benchSoak } from './soak.ts';

type Part = (
  surroundings: Surroundings & { seconds: number; minutes: number; octets: number },
) => Promise<Section[]>;
const PARTS: Record<string, Part> = {
  read: benchRead,
  live: benchLive,
  latency: benchLatency,
  memory: benchMemory,
  encode: benchEncode,
  convert: benchConvert,
};
/** What takes too long to be part of all. */
const LONG_PARTS: Record<string, Part> = { soak: benchSoak };
const EVERY_PART = { ...PARTS, ...LONG_PARTS };
const USAGE = `usage: npm run bench [-- ${Object.keys(EVERY_PART).join('|')}|all …] [--runs N] [--seconds S] [--minutes M] [--octets N] [--json]\n`;

// A machine whose environment names certificates has every Node read and parse them at its start: 40 ms that are not Weir's.
delete process.env['NODE_EXTRA_CA_CERTS'];

interface Arguments {
  readonly parts: readonly string[];
  readonly runs: number;
  readonly seconds: number;
  readonly minutes: number;
  readonly octets: number;
  readonly json: boolean;
}

/** @throws Error for what is none of the above. */
function readArguments(argv: string[]): Arguments {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      runs: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '10' },
      minutes: { type: 'string', default: '20' },
      octets: { type: 'string', default: `${STREAM_OCTETS}` },
      json: { type: 'boolean', default: false },
    },
  });
  const unknown = positionals.find((part) => part !== 'all' && !(part in EVERY_PART));
  if (unknown !== undefined) throw new Error(`there is no part named ${unknown}`);
  const all = positionals.length === 0 || positionals.includes('all');
  const runs = Number(values.runs);
  const seconds = Number(values.seconds);
  if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs ${values.runs}: a whole number from 1`);
  if (!(seconds > 0 && seconds <= 60)) throw new Error(`--seconds ${values.seconds}: a number up to 60`);
  const minutes = Number(values.minutes);
  if (!(minutes >= 3 && minutes <= 600))
    throw new Error(`--minutes ${values.minutes}: a number from 3 to 600`);
  const octets = Number(values.octets);
  if (!(octets >= 1e6 && octets <= 1e12))
    throw new Error(`--octets ${values.octets}: a number from 1e6 to 1e12`);
  return { parts: all ? Object.keys(PARTS) : positionals, runs, seconds, minutes, octets, json: values.json };
}

async function main(): Promise<void> {
  let options: Arguments;
  try {
    options = readArguments(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`bench: ${(error as Error).message}\n${USAGE}`);
    process.exitCode = 2;
    return;
  }
  const machine = thisMachine();
  const folder = mkdtempSync(join(tmpdir(), 'weir-bench-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  // Ends by way of 'exit', whose handlers take away the captures, the namespaces and the processes.
  process.once('SIGINT', () => process.exit(130));
  process.once('SIGTERM', () => process.exit(143));

  if (!options.json)
    process.stdout.write(`${machineText(machine)}\n${options.runs} rounds; median (least–most)\n`);
  const say = (what: string) => process.stderr.write(`bench: ${what}\n`);
  const sections: Section[] = [];
  for (const part of options.parts) {
    for (const section of await EVERY_PART[part]!({ ...options, folder, say })) {
      sections.push(section);
      if (!options.json) process.stdout.write(sectionText(section));
    }
  }
  if (options.json) {
    const judged = sections.map((section) => ({
      ...section,
      verdicts: section.verdicts.map((verdict) => ({ ...verdict, met: isMet(verdict) })),
    }));
    process.stdout.write(`${JSON.stringify({ machine, runs: options.runs, sections: judged }, null, 2)}\n`);
  }
  if (sections.some(({ faults }) => faults.length > 0)) process.exitCode = 1;
}

main().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
