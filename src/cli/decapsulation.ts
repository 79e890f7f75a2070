/** From `--decapsulate` to what opens tunnels. */

import { networkInterfaces } from 'node:os';
import ipaddr from 'ipaddr.js';
import type { EffectiveConfig } from '../config/load.ts';
import { Decapsulator } from '../packet/decapsulator.ts';
import { type Prefix, PrefixSet } from '../packet/prefix-set.ts';
import type { Logger } from './logger.ts';

/** How often the machine's addresses are looked up: they come and go. */
const ADDRESSES_MILLISECONDS = 2000;

type Asked = Pick<EffectiveConfig, 'decapsulate' | 'decapsulateFrom'>;

/** What `read` opens: whatever it was addressed to, since the file does not say whose it is. Undefined: nothing. */
export function fileDecapsulator(config: Asked): Decapsulator | undefined {
  return config.decapsulate.length === 0 ? undefined : make(config, undefined);
}

/** What `run` opens: what is addressed to this machine. */
export interface LiveDecapsulation {
  readonly decapsulator: Decapsulator | undefined;
  /** Ends the looking up of addresses. */
  stop(): void;
}

export function liveDecapsulation(config: Asked, log: Logger): LiveDecapsulation {
  if (config.decapsulate.length === 0) return { decapsulator: undefined, stop: () => undefined };
  const decapsulator = make(config, ownAddresses());
  log.info('opening tunnels that are addressed to this machine', {
    tunnels: config.decapsulate,
    from: config.decapsulateFrom.length === 0 ? 'any source' : config.decapsulateFrom,
  });
  const timer = setInterval(() => {
    decapsulator.destinations = ownAddresses();
  }, ADDRESSES_MILLISECONDS);
  return { decapsulator, stop: () => clearInterval(timer) };
}

function make({ decapsulate, decapsulateFrom }: Asked, destinations: PrefixSet | undefined): Decapsulator {
  const sources = decapsulateFrom.length === 0 ? undefined : new PrefixSet(decapsulateFrom.map(parse));
  return new Decapsulator({ tunnels: decapsulate, sources, destinations });
}

function ownAddresses(): PrefixSet {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return new PrefixSet(all.map(({ address }) => parse(address)));
}

/** @param text of an address, or of a prefix as the configuration has it */
function parse(text: string): Prefix {
  const [address = '', length] = text.replace(/%[^/]*/, '').split('/');
  const octets = ipaddr.parse(address).toByteArray();
  return { octets, length: length === undefined ? octets.length * 8 : Number(length) };
}
