/** Flow logs in files, the program run over them, and what a collector then has to say. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asText } from '../flowlogs/support/carry.ts';
import type { GeneratedLog } from '../flowlogs/support/generate.ts';
import type { NaiveRecord } from '../flowlogs/support/naive-converter.ts';
import type { Test } from './peers.ts';
import { type WeirRun, weir } from './weir.ts';

/** A folder of the test's own. */
export function folderOf(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'weir-flow-logs-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

export interface Converted extends WeirRun {
  /** The number of each interface. */
  readonly numbers: ReadonlyMap<string, number>;
}

/** `weir convert` over the log, as text with a header, with an interface map. */
export async function convertLog(t: Test, log: GeneratedLog, ...args: string[]): Promise<Converted> {
  const folder = folderOf(t);
  const path = join(folder, 'flows.log');
  writeFileSync(path, asText(log));
  return convertPath(folder, path, ...args);
}

/** `weir convert` over a file, with an interface map in this folder. */
export async function convertPath(folder: string, path: string, ...args: string[]): Promise<Converted> {
  const map = join(folder, 'interfaces');
  const run = await weir('convert', path, '--interface-map', map, ...args);
  return { ...run, numbers: numbersOf(map) };
}

/** An interface map has a line an interface: `7 eni-0123456789abcdef0`. */
export function numbersOf(path: string): Map<string, number> {
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return new Map(lines.map((line) => [line.replace(/^\d+ /, ''), Number.parseInt(line, 10)]));
}

/** What every version carries; counters as decimal digits. */
export interface Told {
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly protocol: number;
  readonly tcpFlags: number;
  readonly packets: string;
  readonly octets: string;
  readonly startMilliseconds: number;
  readonly endMilliseconds: number;
  readonly input: number;
  readonly output: number;
}

/** What a collector is told of the record. Where no direction is known, it came in by the interface. */
export function told(record: NaiveRecord, numbers: ReadonlyMap<string, number>): Told {
  const { source, destination, sourcePort, destinationPort, protocol, direction } = record;
  const number = record.interfaceId === undefined ? 0 : (numbers.get(record.interfaceId) ?? Number.NaN);
  return {
    source,
    destination,
    sourcePort,
    destinationPort,
    protocol,
    tcpFlags: record.tcpFlags & 0xff,
    packets: `${record.packets}`,
    octets: `${record.octets}`,
    startMilliseconds: record.startMilliseconds,
    endMilliseconds: record.endMilliseconds,
    input: direction === 'egress' ? 0 : number,
    output: direction === 'egress' ? number : 0,
  };
}

interface Counters {
  readonly packets: string;
  readonly octets: string;
}

/** One for each of what differs otherwise: packets and octets added up. So it is of no matter who split what. */
export function addUp<T extends Counters>(all: readonly T[]): T[] {
  const byKey = new Map<string, T>();
  for (const one of all) {
    const key = JSON.stringify({ ...one, packets: '', octets: '' });
    const before = byKey.get(key);
    const sum = (a: string, b = '0') => `${BigInt(a) + BigInt(b)}`;
    byKey.set(key, {
      ...one,
      packets: sum(one.packets, before?.packets),
      octets: sum(one.octets, before?.octets),
    });
  }
  return [...byKey.values()];
}

/** IANA's forwardingStatus and firewallEvent of an action. */
export function verdict({ action }: NaiveRecord): { forwardingStatus: number; firewallEvent: number } {
  if (action === 'REJECT') return { forwardingStatus: 129, firewallEvent: 3 };
  return { forwardingStatus: action === 'ACCEPT' ? 64 : 0, firewallEvent: 0 };
}
