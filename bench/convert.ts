/** `convert`: flow logs out of files, a pipe and an S3 prefix, to NetFlow v5. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Block, type FlowLog, gzippedFlowLog, pipeFlowLog, writeFlowLog } from './flow-logs.ts';
import { ObjectStore } from './object-store.ts';
import { findCommand, WEIR } from './programs.ts';
import type { Surroundings } from './read.ts';
import { figure, type Section, spreadText, type Verdict } from './report.ts';
import { ratios, spread } from './statistics.ts';
import { type Input, runTrial, type Trial } from './trial.ts';

/** 80 blocks of 50 000 lines. */
const BLOCKS = 80;
/** Of the stream, unless told otherwise. */
export const STREAM_OCTETS = 5e9;
const OBJECTS = 1000;
const OBJECT_LINES = 2000;
/** What a GET takes to its first octet within a region. */
const STORE_MILLISECONDS = 20;
const MOST_RESIDENT_OCTETS = 200e6;
const LIMIT_SECONDS = 900;

const NAIVE = [process.execPath, fileURLToPath(new URL('naive-convert.js', import.meta.url))];
const GUNZIP_IN_NODE = [
  process.execPath,
  '-e',
  'require("fs").createReadStream(process.argv[1]).pipe(require("zlib").createGunzip()).resume()',
];

interface Contestant {
  readonly name: string;
  /** Undefined: it converts nothing, so nothing arrives. */
  readonly log: FlowLog | undefined;
  command(port: number): readonly string[];
}

const convert = (source: string, port: number) => [
  ...WEIR,
  'convert',
  source,
  '-c',
  `netflow5://127.0.0.1:${port}?rate=0`,
];
const cpuSeconds = ({ cost }: Trial) => cost.userSeconds + cost.systemSeconds;

export async function benchConvert(surroundings: Surroundings & { octets: number }): Promise<Section[]> {
  return [
    await fromFiles(surroundings),
    await fromPipe(surroundings, surroundings.octets),
    await fromPrefix(surroundings),
  ];
}

async function fromFiles({ folder, runs, say }: Surroundings): Promise<Section> {
  const block = new Block(4);
  const path = `${folder}/flows.log`;
  say(`writing ${BLOCKS * block.lines} lines of flow logs`);
  const log = writeFlowLog(path, block, BLOCKS);
  const one = writeFlowLog(`${folder}/one.log`, new Block(1, 1), 1);
  execFileSync(findCommand('gzip') ?? 'gzip', ['--keep', path]);
  const gz = `${path}.gz`;

  const weirText: Contestant = { name: 'weir, text', log, command: (port) => convert(path, port) };
  const weirGz: Contestant = { name: 'weir, gzip', log, command: (port) => convert(gz, port) };
  const weirOne: Contestant = {
    name: 'weir, one line',
    log: one,
    command: (port) => convert(`${folder}/one.log`, port),
  };
  const naiveText: Contestant = { name: 'naive, text', log, command: (port) => [...NAIVE, path, `${port}`] };
  const naiveGz: Contestant = { name: 'naive, gzip', log, command: (port) => [...NAIVE, gz, `${port}`] };
  const gunzip: Contestant = {
    name: 'gunzip (gzip -dc)',
    log: undefined,
    command: () => ['gzip', '-dc', gz],
  };
  const gunzipInNode: Contestant = {
    name: 'gunzip (zlib in Node)',
    log: undefined,
    command: () => [...GUNZIP_IN_NODE, gz],
  };
  const contestants = [weirText, weirGz, weirOne, naiveText, naiveGz, gunzip, gunzipInNode];
  const trials = await inTurn(contestants, runs, say);

  const of = (contestant: Contestant, value: (trial: Trial) => number) => trials.get(contestant)!.map(value);
  const wall = ({ cost }: Trial) => cost.wallSeconds;
  const millions = log.lines / 1e6;
  const perCpuSecond = of(weirText, cpuSeconds).map((seconds) => millions / seconds);
  const startless = of(weirText, cpuSeconds).map(
    (seconds, round) => millions / (seconds - cpuSeconds(trials.get(weirOne)![round]!)),
  );
  const verdicts: Verdict[] = [
    {
      what: 'weir, text to v5: million records a second of CPU',
      value: spread(perCpuSecond),
      demand: { relation: '>=', value: 1.5 },
    },
    { what: '… its start and end (a file of one line) taken off', value: spread(startless) },
    { what: 'naive / weir, CPU, text', value: ratios(of(naiveText, cpuSeconds), of(weirText, cpuSeconds)) },
    { what: 'naive / weir, wall, text', value: ratios(of(naiveText, wall), of(weirText, wall)) },
    { what: 'naive / weir, wall, gzip', value: ratios(of(naiveGz, wall), of(weirGz, wall)) },
    { what: 'weir, gzip / gzip -dc alone, wall', value: ratios(of(weirGz, wall), of(gunzip, wall)) },
    {
      what: "weir, gzip / Node's gunzip alone, wall",
      value: ratios(of(weirGz, wall), of(gunzipInNode, wall)),
    },
    {
      what: "weir, gzip / Node's gunzip alone, CPU",
      value: ratios(of(weirGz, cpuSeconds), of(gunzipInNode, cpuSeconds)),
    },
  ];
  rmSync(path);
  rmSync(gz);
  return {
    title: `convert: ${log.lines} lines of flow logs (${Math.round(log.textOctets / 1e6)} MB) to NetFlow v5 on loopback`,
    notes: [
      'The default format, IPv4, 500 interfaces; the file is in the page cache. A trial is a whole process, its start included.',
      'CPU is user and system time of all its threads, and what the kernel does to deliver a datagram on loopback.',
    ],
    columns: ['', 'million lines/s', 'wall s', 'CPU s', 'peak MB', 'records', 'result'],
    rows: contestants.map((contestant) => row(contestant, contestant.log ?? log, trials.get(contestant)!)),
    verdicts,
    skipped: [],
    faults: faults(trials),
  };
}

/** A stream larger than memory should ever be asked for. */
async function fromPipe({ say }: Surroundings, octets: number): Promise<Section> {
  const block = new Block(5);
  const blocks = Math.max(1, Math.round(octets / block.text.length));
  const log = block.times(blocks);
  const contestant: Contestant = { name: 'weir, a pipe', log, command: (port) => convert('-', port) };
  say(`a stream of ${(log.textOctets / 1e9).toFixed(1)} GB`);
  const trials = await inTurn([contestant], 1, say, (stdin) => pipeFlowLog(stdin, block, blocks));
  const peak = trials.get(contestant)!.map(({ cost }) => cost.peakResidentOctets / 1e6);
  return {
    title: `convert: a stream of ${(log.textOctets / 1e9).toFixed(1)} GB (${log.lines} lines) from a pipe`,
    notes: [
      'The high-water mark of the resident set, the whole process. --octets sets the size of the stream.',
    ],
    columns: ['', 'million lines/s', 'wall s', 'CPU s', 'peak MB', 'records', 'result'],
    rows: [row(contestant, log, trials.get(contestant)!)],
    verdicts: [
      {
        what: "weir's peak",
        value: spread(peak),
        unit: 'MB',
        demand: { relation: '<=', value: MOST_RESIDENT_OCTETS / 1e6 },
      },
    ],
    skipped: [],
    faults: faults(trials),
  };
}

/** A thousand small objects: from a folder, and from a store that lets each answer wait. */
async function fromPrefix({ folder, runs, say }: Surroundings): Promise<Section> {
  const block = new Block(6, OBJECT_LINES);
  const log = block.times(OBJECTS);
  const objects = new Map<string, Buffer>();
  const files = `${folder}/objects`;
  mkdirSync(files);
  const octets = gzippedFlowLog(block);
  for (let i = 0; i < OBJECTS; i++) {
    const minute = new Date(Date.UTC(2026, 0, 1) + i * 60_000).toISOString();
    const stamp = minute.slice(0, 16).replaceAll(/[-:]/g, '');
    const name = `123456789012_vpcflowlogs_us-east-1_fl-0123456789abcdef0_${stamp}Z_${`${i}`.padStart(8, '0')}.log.gz`;
    objects.set(
      `AWSLogs/123456789012/vpcflowlogs/us-east-1/${minute.slice(0, 10).replaceAll('-', '/')}/${name}`,
      octets,
    );
    writeFileSync(`${files}/${name}`, octets);
  }
  const store = new ObjectStore(objects, STORE_MILLISECONDS);
  const endpoint = await store.start();
  Object.assign(process.env, {
    AWS_ENDPOINT_URL: endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'bench',
    AWS_SECRET_ACCESS_KEY: 'bench',
    AWS_EC2_METADATA_DISABLED: 'true',
  });
  const fromFolder: Contestant = { name: 'weir, a folder', log, command: (port) => convert(files, port) };
  const fromStore: Contestant = {
    name: 'weir, an S3 prefix',
    log,
    command: (port) => convert('s3://bucket/AWSLogs/', port),
  };
  const gunzip: Contestant = {
    name: 'gunzip (gzip -dc)',
    log: undefined,
    command: () => ['sh', '-c', `gzip -dc ${files}/*`],
  };
  const contestants = [fromFolder, fromStore, gunzip];
  const trials = await inTurn(contestants, runs, say);
  await store.stop();
  const wall = (contestant: Contestant) => trials.get(contestant)!.map(({ cost }) => cost.wallSeconds);
  const waiting = (OBJECTS * STORE_MILLISECONDS) / 1000;
  return {
    title: `convert: ${OBJECTS} objects of ${OBJECT_LINES} lines below an S3 prefix`,
    notes: [
      `A store on loopback whose every answer takes ${STORE_MILLISECONDS} ms: one after the other the objects take ${waiting} s of waiting alone.`,
    ],
    columns: ['', 'million lines/s', 'wall s', 'CPU s', 'peak MB', 'records', 'result'],
    rows: contestants.map((contestant) => row(contestant, log, trials.get(contestant)!)),
    verdicts: [
      { what: 'weir, the prefix / the folder, wall', value: ratios(wall(fromStore), wall(fromFolder)) },
      {
        what: 'weir, the prefix: CPU / wall',
        value: ratios(trials.get(fromStore)!.map(cpuSeconds), wall(fromStore)),
        demand: { relation: '>=', value: 0.8 },
      },
    ],
    skipped: [],
    faults: faults(trials),
  };
}

/** A B C, A B C, …: each trial a fresh process. */
async function inTurn(
  contestants: readonly Contestant[],
  runs: number,
  say: (what: string) => void,
  input?: Input,
): Promise<Map<Contestant, Trial[]>> {
  const trials = new Map<Contestant, Trial[]>(contestants.map((contestant) => [contestant, []]));
  for (let run = 1; run <= runs; run++) {
    for (const contestant of contestants) {
      const trial = await runTrial((port) => contestant.command(port), LIMIT_SECONDS, input);
      trials.get(contestant)!.push(trial);
      const { wallSeconds, peakResidentOctets } = trial.cost;
      const megabytes = Math.round(peakResidentOctets / 1e6);
      say(`convert, round ${run} of ${runs}: ${contestant.name} ${figure(wallSeconds)} s, ${megabytes} MB`);
    }
  }
  return trials;
}

function row({ name, log: expected }: Contestant, log: FlowLog, trials: readonly Trial[]): string[] {
  const over = (value: (trial: Trial) => number) => spread(trials.map(value));
  const wrong = trials.map((trial) => difference(trial, expected)).find((found) => found !== undefined);
  return [
    name,
    spreadText(over(({ cost }) => log.lines / 1e6 / cost.wallSeconds)),
    figure(over(({ cost }) => cost.wallSeconds).median),
    figure(over(cpuSeconds).median),
    `${Math.round(over(({ cost }) => cost.peakResidentOctets).median / 1e6)}`,
    `${over(({ received }) => received.records).median}`,
    expected === undefined && wrong === undefined ? '' : (wrong ?? 'exact'),
  ];
}

/** How what arrived differs from what the log holds; undefined: it does not. */
export function difference({ received, failure }: Trial, log: FlowLog | undefined): string | undefined {
  if (failure !== undefined || log === undefined) return failure;
  for (const [what, counted, expected] of [
    ['packets', received.packets, log.packets],
    ['octets', received.octets, log.octets],
    ['records', received.records, log.lines],
    ['malformed datagrams', received.malformed, 0],
    ['gaps in the sequence', received.gaps, 0],
  ] as const) {
    if (counted !== expected) return `${counted} ${what} instead of ${expected}`;
  }
  return undefined;
}

/** Everything that Weir got wrong. */
function faults(trials: ReadonlyMap<Contestant, readonly Trial[]>): string[] {
  return [...trials].flatMap(([{ name, log }, all]) =>
    all.flatMap((trial) => difference(trial, log) ?? []).map((wrong) => `${name}: ${wrong}`),
  );
}
