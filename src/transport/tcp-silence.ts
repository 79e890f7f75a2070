/**
 * Whether the peer of a TCP connection still answers. One that has vanished without FIN or RST says nothing: Linux goes
 * on for some 15 minutes (tcp_retries2) before it gives up, and takes, meanwhile, what it is handed. Node has no
 * TCP_USER_TIMEOUT; but the kernel's table of connections tells what that would measure.
 */
import { readFile } from 'node:fs/promises';
import ipaddr from 'ipaddr.js';
import type { SessionEndpoints } from './session.ts';

export interface Silence {
  /** Times in a row that the kernel has asked and got no answer: retransmissions, probes. 0: all is well. */
  readonly unanswered: number;
  /** Octets handed to the kernel that the peer has not acknowledged. */
  readonly unacknowledgedOctets: number;
}

/** Looks at a connection; undefined: it is not known. */
export type LookForSilence = (endpoints: SessionEndpoints) => Promise<Silence | undefined>;

/** Looks into Linux's table (proc(5), /proc/net/tcp); some 2 µs for each of the machine's own connections. */
export const lookIntoProc: LookForSilence = async (endpoints) => {
  const isIpv6 = endpoints.localAddress.includes(':');
  let table: string;
  try {
    table = await readFile(isIpv6 ? '/proc/net/tcp6' : '/proc/net/tcp', 'latin1');
  } catch {
    return undefined; // another system, or one that hides it: the kernel's own patience is what is left
  }
  const local = inTable(endpoints.localAddress, endpoints.localPort);
  const remote = inTable(endpoints.remoteAddress, endpoints.remotePort);
  const row = table.split('\n').find((line) => line.includes(`: ${local} ${remote} `));
  return row === undefined ? undefined : silenceOf(row);
};

/** `sl: local remote st tx:rx tr:tm->when retrnsmt uid timeout inode …`; the probes stand under "timeout". */
export function silenceOf(row: string): Silence {
  const columns = row.trim().split(/\s+/);
  return {
    unanswered: Math.max(Number.parseInt(columns[6]!, 16), Number(columns[8])),
    unacknowledgedOctets: Number.parseInt(columns[4]!.split(':')[0]!, 16),
  };
}

/** `0100007F:1283` for 127.0.0.1:4739: words of 32 bits in this machine's byte order, which is little-endian. */
export function inTable(address: string, port: number): string {
  const octets = ipaddr.parse(address.replace(/%.*/, '')).toByteArray();
  let text = '';
  for (let word = 0; word < octets.length; word += 4)
    for (let i = 3; i >= 0; i--) text += hexadecimal(octets[word + i]!, 2);
  return `${text}:${hexadecimal(port, 4)}`;
}

const hexadecimal = (n: number, digits: number) => n.toString(16).toUpperCase().padStart(digits, '0');
