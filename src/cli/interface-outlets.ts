/** `--exporter per-interface`: to each Collector from the address of every interface, through a raw socket. */

import { randomInt } from 'node:crypto';
import { isIP } from 'node:net';
import type { CollectorConfig } from '../config/collector-url.ts';
import type { EffectiveConfig } from '../config/load.ts';
import type { Message } from '../export/message.ts';
import type { Export } from '../export/outlet.ts';
import type { ConvertOutlet } from '../flowlogs/convert-options.ts';
import { InterfaceExporters } from '../flowlogs/interface-exporters.ts';
import type { CollectorMetrics, RecordMetrics } from '../metrics/sources.ts';
import { systemClock } from '../transport/clock.ts';
import { headerOctets } from '../transport/ip-headers.ts';
import { loadRawSocket, RawSender, RawSocketError } from '../transport/raw-socket.ts';
import { RawUdpTransport } from '../transport/raw-udp.ts';
import { type Lookup, resolveHost, systemLookup } from '../transport/resolve.ts';
import { hasRejects, rejectsOf, together } from './convert-outlets.ts';
import { UserError } from './errors.ts';
import { collectorMetrics } from './line-metrics.ts';
import type { Log } from './log.ts';
import { BURST_DATAGRAMS, transportEvents } from './outlets.ts';
import { lookUpPathMtu } from './path-mtu.ts';

/** Of all interfaces towards one Collector, together. */
const MOST_QUEUED_MESSAGES = 8192;
/** An answer serves all interfaces for so long: each asks for itself, about the same Collector. */
const ANSWER_MILLISECONDS = 1000;
/** Dynamic ports (RFC 6335 §6), less one for the refused flows of v5. */
const FIRST_PORT = 49_152;
const LAST_PORT = 65_534;

/** A Collector to which every interface is a device. */
export interface InterfaceCollector {
  readonly way: InterfaceExporters;
  readonly metrics: CollectorMetrics;
  /** Closes the socket. */
  close(): void;
}

/** @throws UserError where raw sockets cannot be had, or a name does not resolve */
export async function interfaceCollectors(config: EffectiveConfig, log: Log): Promise<InterfaceCollector[]> {
  try {
    const library = await loadRawSocket();
    const collectors: InterfaceCollector[] = [];
    for (const collector of config.collectors) {
      const sender = new RawSender({
        library,
        datagramsPerSecond: collector.datagramsPerSecond,
        burst: BURST_DATAGRAMS,
        maxQueuedMessages: MOST_QUEUED_MESSAGES,
      });
      const ipVersion = await ipVersionOf(collector);
      sender.open(ipVersion);
      collectors.push(interfaceCollector(collector, ipVersion, sender, config, log));
    }
    log.info(
      "datagrams leave with the interfaces' addresses; on EC2 that takes an instance whose source/destination check is off",
    );
    return collectors;
  } catch (error) {
    if (!(error instanceof RawSocketError)) throw error;
    throw new UserError(`--exporter per-interface: ${error.message}`);
  }
}

async function ipVersionOf({ host, url }: CollectorConfig): Promise<4 | 6> {
  const version = isIP(host);
  if (version !== 0) return version === 6 ? 6 : 4;
  try {
    const [first] = await resolveHost(host, undefined, systemLookup, systemClock);
    return first!.family;
  } catch (error) {
    throw new UserError(`${JSON.stringify(url)}: ${(error as Error).message}`);
  }
}

function interfaceCollector(
  collector: CollectorConfig,
  ipVersion: 4 | 6,
  sender: RawSender,
  config: EffectiveConfig,
  log: Log,
): InterfaceCollector {
  const { url, protocol } = collector;
  // Another port at each start: to the Collector it is another Transport Session, whose sequence begins anew.
  const sourcePort = randomInt(FIRST_PORT, LAST_PORT);
  const lookup: Lookup = shared(systemLookup);
  const pathMtu = shared(lookUpPathMtu);
  const outlet = (to: CollectorConfig, source: string, port: number): ConvertOutlet => ({
    name: url,
    protocol,
    observationDomain: to.observationDomain,
    tcpControlBitsOctets: to.tcpControlBitsOctets,
    messageOctets: to.mtu - headerOctets(ipVersion),
    templateRefreshMilliseconds: to.templateRefreshSeconds * 1000,
    templateRefreshMessages: to.templateRefreshPackets,
    transport: new RawUdpTransport<Message>({
      host: to.host,
      port: to.port,
      source,
      sourcePort: port,
      sender,
      mtu: to.mtu,
      lookUpPathMtu: pathMtu,
      lookup,
      maxQueuedMessages: MOST_QUEUED_MESSAGES,
      onEvent: transportEvents(url, log),
    }),
  });
  const way = new InterfaceExporters({
    ipVersion,
    outlets: (address) => ({
      main: outlet(collector, address, sourcePort),
      rejects: hasRejects(collector, config)
        ? outlet(rejectsOf(collector), address, sourcePort + 1)
        : undefined,
    }),
    onNotice: (text) => log.warn(text, { collector: url }),
  });
  return { way, metrics: metricsOf(url, protocol, way), close: () => sender.close() };
}

function metricsOf(url: string, protocol: string, way: InterfaceExporters): CollectorMetrics {
  const known = new Map<Export, CollectorMetrics>();
  const exporters = together(url, protocol, () =>
    way.exports.map((each) => {
      const metrics =
        known.get(each) ?? collectorMetrics(each.outlet as Parameters<typeof collectorMetrics>[0], way);
      known.set(each, metrics);
      return metrics;
    }),
  );
  const plus = (a: RecordMetrics, b: RecordMetrics): RecordMetrics => ({
    records: a.records + b.records,
    packets: a.packets + b.packets,
    octets: a.octets + b.octets,
  });
  return Object.create(exporters, {
    // Those that wait for the address of their interface, and those that never got one.
    queued: { get: () => plus(exporters.queued, way.waiting) },
    notSent: { get: () => [...exporters.notSent, ...way.notSent] },
  }) as CollectorMetrics;
}

/** Asks once for all who ask the same within a second. */
function shared<T>(ask: (about: string) => Promise<T>): (about: string) => Promise<T> {
  const answers = new Map<string, { readonly until: number; readonly answer: Promise<T> }>();
  return (about) => {
    const now = performance.now();
    const known = answers.get(about);
    if (known !== undefined && now < known.until) return known.answer;
    const answer = ask(about);
    answers.set(about, { until: now + ANSWER_MILLISECONDS, answer });
    return answer;
  };
}
