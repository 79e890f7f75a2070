/** The kernel's network interfaces as sysfs shows them (Linux), and the words for when one cannot be captured. */
import { readdirSync, readFileSync } from 'node:fs';
import { START_UNPRIVILEGED } from '../system/rights.ts';
import { LinkType } from './packet-source.ts';

const FOLDER = '/sys/class/net';

export interface NetworkInterface {
  readonly name: string;
  /** The kernel's ifIndex. */
  readonly index: number;
  /** ARPHRD_ number (if_arp.h): what the link layer is. */
  readonly hardwareType: number;
  /** IFF_UP: somebody wants it up. Whether the cable is in does not matter to a capture. */
  readonly up: boolean;
}

/** Names of all interfaces, sorted; empty where there is no sysfs. */
export function interfaceNames(): string[] {
  try {
    // bonding_masters is a file among the interfaces' links.
    const entries = readdirSync(FOLDER, { withFileTypes: true });
    return entries.flatMap((entry) => (entry.isFile() ? [] : entry.name)).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Looks an interface up; undefined: there is none of this name now. */
export function findInterface(name: string): NetworkInterface | undefined {
  if (name === '' || name.startsWith('.') || name.includes('/')) return undefined;
  const read = (file: string) => Number(readFileSync(`${FOLDER}/${name}/${file}`, 'utf8'));
  try {
    return { name, index: read('ifindex'), hardwareType: read('type'), up: (read('flags') & 1) !== 0 };
  } catch (error) {
    // ENOTDIR: a file of that name. ENODEV, EINVAL: it vanished between two of the reads.
    if (['ENOENT', 'ENOTDIR', 'ENODEV', 'EINVAL'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return undefined;
    throw error;
  }
}

/** ARPHRD_ numbers whose frames begin with an Ethernet header. */
const ETHERNET_TYPES = [1 /* ETHER */, 772 /* LOOPBACK */];
/** … and those whose frames begin with the IP header: NONE (tun, WireGuard), RAWIP, TUNNEL, TUNNEL6, SIT, IPGRE, IP6GRE. */
const RAW_TYPES = [65_534, 519, 768, 769, 776, 778, 823];

/** The LINKTYPE_ number of what a packet socket delivers from an interface. Throws for link layers that Weir does not read. */
export function linkTypeOf(networkInterface: NetworkInterface): number {
  const { name, hardwareType } = networkInterface;
  if (ETHERNET_TYPES.includes(hardwareType)) return LinkType.ETHERNET;
  if (RAW_TYPES.includes(hardwareType)) return LinkType.RAW;
  throw new Error(
    `Cannot capture on ${name}: its link layer (ARPHRD type ${hardwareType}) is neither Ethernet nor plain IP. ` +
      'Choose an Ethernet, loopback, tun, WireGuard or IP tunnel interface.',
  );
}

/** An interface that is not there: names those that are, and the nearest. */
export function noSuchInterface(name: string, names = interfaceNames()): Error {
  const nearest = names
    .map((candidate) => ({ candidate, distance: editDistance(name, candidate) }))
    .filter(({ candidate, distance }) => distance <= Math.max(name.length, candidate.length) / 2)
    .sort((a, b) => a.distance - b.distance)[0]?.candidate;
  const suggestion = nearest === undefined ? '' : ` Did you mean ${nearest}?`;
  return new Error(`There is no interface named ${name}.${suggestion} There are: ${names.join(', ')}.`);
}

/** A process without the right to capture: names the capability, and three ways to get it. */
export function notPermitted(name: string, cause?: unknown): Error {
  return new Error(
    `Not permitted to capture on ${name}: that needs the capability CAP_NET_RAW. Run Weir as root (sudo weir …), ` +
      `or in a systemd unit with AmbientCapabilities=CAP_NET_RAW, or as another user with: ${START_UNPRIVILEGED}`,
    { cause },
  );
}

/** Levenshtein's: how many letters to insert, delete or replace. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
