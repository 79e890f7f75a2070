/** Weir, run as its users run it, or in this process where that would take too many processes. */

import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { PcapFileSource } from '../../src/capture/pcap-file.ts';
import { localOutlet } from '../../src/cli/local-collector.ts';
import { recordToJson } from '../../src/collect/json.ts';
import type { FragmentCounters } from '../../src/flow/fragments.ts';
import { Decapsulator, TUNNELS } from '../../src/packet/decapsulator.ts';
import { IGNORED_REASONS } from '../../src/packet/packet-view.ts';
import { Probe, type ProbeOptions } from '../../src/probe.ts';
import { DEFAULTS, type OracleOptions, type OracleRecord } from '../oracle/oracle.ts';

/** The built program. */
export const WEIR = resolve(import.meta.dirname, '../../bundle/weir/main.js');

/** As flags of `weir read`. */
export function asFlags(options: Partial<OracleOptions>): string[] {
  const { activeMilliseconds, idleMilliseconds, fields, tunnels } = { ...DEFAULTS, ...options };
  return [
    ['--active-timeout', `${activeMilliseconds / 1000}`],
    ['--idle-timeout', `${idleMilliseconds / 1000}`],
    ['--fields', fields],
    tunnels.length === 0 ? [] : ['--decapsulate', tunnels.join(',')],
  ].flat();
}

/** What the tests read of a line of the log. */
export interface LogLine {
  readonly msg: string;
  readonly messages?: number;
  readonly meteredPackets?: number;
  readonly ignoredPackets?: Readonly<Record<string, number>>;
}

export interface WeirRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output, parsed. */
  readonly records: OracleRecord[];
  /** Standard error's JSON lines, parsed. */
  readonly log: LogLine[];
}

/** Runs `weir` to its end. */
export async function weir(...args: string[]): Promise<WeirRun> {
  return new Promise((resolve) => {
    const options = { timeout: 50_000, maxBuffer: 256 * 1024 * 1024 };
    execFile(process.execPath, [WEIR, ...args], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      const log = stderr.split('\n').filter((line) => line.startsWith('{'));
      resolve({ code, stdout, stderr, records: jsonLines(stdout), log: jsonLines(log.join('\n')) });
    });
  });
}

/** Text of JSON lines, parsed. */
export function jsonLines<T>(text: string): T[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}

export interface ReadHere {
  readonly records: OracleRecord[];
  readonly meteredPackets: number;
  readonly meteredOctets: number;
  /** By reason, those that occurred. */
  readonly ignored: Map<string, number>;
  /** Tunnels opened, by name, those that occurred. */
  readonly opened: Map<string, number>;
  readonly fragments: FragmentCounters;
  /** What went wrong with the file. */
  readonly errors: string[];
}

/** `weir read --json PATHS` without a process: the same line of stages, the same text, parsed again. */
export async function readHere(
  paths: readonly string[],
  options: Partial<OracleOptions> = {},
  more: Pick<ProbeOptions, 'biflow'> = {},
): Promise<ReadHere> {
  const { activeMilliseconds, idleMilliseconds, fields, tunnels } = { ...DEFAULTS, ...options };
  const decapsulator = tunnels.length === 0 ? undefined : new Decapsulator({ tunnels });
  const records: OracleRecord[] = [];
  const errors: string[] = [];
  const sink = {
    record: (record: Parameters<typeof recordToJson>[0]) => {
      records.push(JSON.parse(recordToJson(record)));
    },
    written: () => undefined,
  };
  const probe = new Probe({
    ...more,
    activeTimeoutMilliseconds: activeMilliseconds,
    idleTimeoutMilliseconds: idleMilliseconds,
    maxFlows: 65_536,
    fields,
    seed: [1, 2],
    decapsulator,
    sources: paths.map((path) => new PcapFileSource({ path })),
    live: false,
    outlets: [localOutlet(sink, 1)],
    clocks: { unix: Date.now, monotonic: () => performance.now() },
    onNotice: (_, text) => errors.push(text),
    onSourceError: (error) => errors.push(String(error)),
  });
  await probe.start();
  await probe.finished;
  await probe.stop(10_000);
  const { meteredPackets, meteredOctets, ignoredPackets } = probe.meter;
  const ignored = IGNORED_REASONS.map((reason, i) => [reason, ignoredPackets[i]!] as const);
  return {
    records,
    meteredPackets,
    meteredOctets,
    ignored: new Map(ignored.filter(([, n]) => n > 0)),
    opened: new Map(
      TUNNELS.map((tunnel, i) => [tunnel, decapsulator?.openedPackets[i] ?? 0] as const).filter(
        ([, n]) => n > 0,
      ),
    ),
    fragments: probe.meter.fragments.counters,
    errors,
  };
}
