/** From a collector's URL to the way out: the exporter's options and its transport. */

import { existsSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { dirname } from 'node:path';
import type { CollectorConfig, FileSettings, TlsFiles } from '../config/collector-url.ts';
import type { EffectiveConfig } from '../config/load.ts';
import type { Message } from '../export/message.ts';
import type { Outlet } from '../probe.ts';
import { FileTransport } from '../transport/file.ts';
import { partOf } from '../transport/file-name.ts';
import type { TransportEvent } from '../transport/session.ts';
import { TcpTransport } from '../transport/tcp.ts';
import { readTlsFiles } from '../transport/tls-files.ts';
import { TlsConnector } from '../transport/tls-socket.ts';
import { UdpTransport } from '../transport/udp.ts';
import { EXIT_USAGE, UserError } from './errors.ts';
import type { Log } from './log.ts';
import { lookUpPathMtu } from './path-mtu.ts';

/** Octets of the IP and UDP headers in front of a Message. */
const IPV4_UDP_HEADERS = 28;
const IPV6_UDP_HEADERS = 48;
/** Octets of a Message where there are no datagrams: as in Ethernet's. Batches of many are what is written. */
const STREAM_MESSAGE_OCTETS = 1452;
/** Datagrams that may leave at once after a pause: a quarter of a collector's default socket buffer. */
export const BURST_DATAGRAMS = 32;
/** Records of IPv6 with `--fields full` and routes, 156 octets of v9 each, in a message of 1452 octets. */
const FEWEST_RECORDS = 9;
const SPARE_MESSAGES = 1024;
/** An error that repeats is told at most this often. */
const LOG_INTERVAL_SECONDS = 30;

/** An outlet whose transport says how it fares. */
export interface CollectorOutlet extends Outlet {
  readonly transport: UdpTransport<Message> | TcpTransport<Message> | FileTransport<Message>;
}

/** Two collectors are the same if nothing that means something to their transport differs. */
export function collectorKey(collector: CollectorConfig): string {
  if (collector.transport === 'udp') return JSON.stringify(collector);
  const { mtu: _mtu, templateRefreshSeconds: _seconds, ...told } = collector;
  return JSON.stringify(told);
}

/** @param live the records' time is today's */
export function collectorOutlets(config: EffectiveConfig, log: Log, live: boolean): CollectorOutlet[] {
  warnOfLonelyGroups(config.collectors, log);
  return config.collectors.map((collector) => collectorOutlet(collector, config.maxFlows, log, live));
}

/**
 * @param maxFlows the table's limit, from which the queue's follows
 * @param live the records' time is today's
 * @throws UserError where a file, a certificate or a key cannot be used
 */
export function collectorOutlet(
  collector: CollectorConfig,
  maxFlows: number,
  log: Log,
  live: boolean,
): CollectorOutlet {
  // A whole table that expires at once fits a queue: no message holds fewer records than this, but at small MTUs.
  const maxQueuedMessages = SPARE_MESSAGES + Math.ceil(maxFlows / FEWEST_RECORDS);
  const { url, protocol, host, port, source, mtu } = collector;
  const onEvent = transportEvents(url, log);
  const common = {
    name: url,
    protocol,
    observationDomain: collector.observationDomain,
    tcpControlBitsOctets: collector.tcpControlBitsOctets,
    balance: collector.balance,
  };
  const stream = {
    ...common,
    messageOctets: STREAM_MESSAGE_OCTETS,
    // Once a connection or file is enough (RFC 7011 §8.4 asks for repetition over UDP only).
    templateRefreshMilliseconds: 0,
    templateRefreshMessages: 0,
  };
  const { tls, file } = collector;
  if (file !== undefined) {
    checkFile(url, file);
    return {
      ...stream,
      transport: new FileTransport<Message>({ ...file, live, maxQueuedMessages, onEvent }),
    };
  }
  if (collector.transport !== 'udp') {
    if (tls !== undefined) checkTlsFiles(url, tls, log);
    const connector = tls === undefined ? undefined : new TlsConnector(host, tls);
    return {
      ...stream,
      transport: new TcpTransport<Message>({ host, port, source, connector, maxQueuedMessages, onEvent }),
    };
  }
  return {
    ...common,
    // A name may turn out to be IPv6: then the headers take 20 octets more.
    messageOctets: mtu - (isIPv4(host) ? IPV4_UDP_HEADERS : IPV6_UDP_HEADERS),
    templateRefreshMilliseconds: collector.templateRefreshSeconds * 1000,
    templateRefreshMessages: collector.templateRefreshPackets,
    transport: new UdpTransport<Message>({
      host,
      port,
      source,
      datagramsPerSecond: collector.datagramsPerSecond,
      burst: BURST_DATAGRAMS,
      mtu,
      lookUpPathMtu,
      together: !live,
      maxQueuedMessages,
      onEvent,
    }),
  };
}

/** Says what a transport has to tell. */
export function transportEvents(url: string, log: Log): (event: TransportEvent) => void {
  return (event) => {
    const logger = log.rateLimited(`${url} ${event.kind}`, LOG_INTERVAL_SECONDS);
    const isGood = event.kind === 'resolved' || event.kind === 'connected' || event.kind === 'recovered';
    (isGood ? logger.info : logger.warn)(event.text, { collector: url });
  };
}

/** At the start a file that cannot be used is a mistake; later it is an error of the connection. */
function checkTlsFiles(url: string, tls: TlsFiles, log: Log): void {
  try {
    readTlsFiles(tls);
  } catch (error) {
    throw new UserError(`${JSON.stringify(url)}: ${(error as Error).message}`, { exitCode: EXIT_USAGE });
  }
  if (tls.cert === undefined) {
    log.info(
      'without cert= and key= the collector cannot know who sends (RFC 7011 §11.3 asks for certificates on both sides)',
      { collector: url },
    );
  }
}

/** What would keep the first file from being begun; later the same is an error that is told and tried again. */
function checkFile(url: string, { path, rotateOctets, rotateSeconds }: FileSettings): void {
  if (!existsSync(dirname(path))) {
    throw new UserError(`${JSON.stringify(url)}: there is no folder ${dirname(path)}; make it`);
  }
  if (rotateOctets !== undefined || rotateSeconds !== undefined) return;
  for (const taken of [path, partOf(path)]) {
    if (!existsSync(taken)) continue;
    throw new UserError(`${JSON.stringify(url)}: ${taken} exists, and Weir writes over no file`, {
      hint: 'move it away; or with rotate-octets= or rotate-seconds= every file gets a name of its own',
    });
  }
}

/** A group of one shares with nobody: most likely its name is misspelt. */
export function warnOfLonelyGroups(collectors: readonly CollectorConfig[], log: Log): void {
  for (const { url, balance } of collectors) {
    if (balance === undefined || collectors.filter((other) => other.balance === balance).length > 1) continue;
    log.warn(`no other collector is in the balance group "${balance}": this one gets every flow`, {
      collector: url,
    });
  }
}
