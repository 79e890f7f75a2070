/** `weir listen`: receives NetFlow v5, v9 and IPFIX and prints the records. */

import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import {
  type BoundAddress,
  type CollectorOptions,
  TcpCollector,
  UdpCollector,
} from '../collect/collector.ts';
import { type DecodedRecordReceiver, MessageDecoder, type Problem } from '../collect/decode.ts';
import { recordToJson } from '../collect/json.ts';
import { PROBLEM_TEXTS } from '../collect/problems.ts';
import { EXIT_USAGE, UserError } from './errors.ts';
import { endpoint } from './format.ts';
import { LineOutput } from './line-output.ts';
import type { Log } from './log.ts';
import type { Logger } from './logger.ts';
import { RecordLines } from './record-line.ts';

export interface ListenOptions {
  /** `[ADDRESS:]PORT`; the address is 127.0.0.1 unless given. Port 0: the kernel chooses. */
  readonly endpoint: string;
  /** JSON lines even on a terminal. */
  readonly json: boolean;
  readonly stdout: NodeJS.WritableStream;
  readonly isTerminal: boolean;
  readonly log: Logger & Pick<Log, 'rateLimited'>;
  /** Ends it. */
  readonly signal: AbortSignal;
}

const DEFAULT_ADDRESS = '127.0.0.1';
/** Of each kind of problem one line in so many seconds, whoever causes it. */
const PROBLEM_INTERVAL_SECONDS = 10;
/** Of the ports that the kernel chooses for UDP, the first that is free for TCP, too. */
const PORT_ATTEMPTS = 16;

/**
 * Receives on UDP and TCP, and prints a line a Flow Record, until the signal, or until nobody reads standard output
 * any more.
 * @throws UserError where the endpoint is none or cannot be had
 */
export async function listen(options: ListenOptions): Promise<void> {
  const { log, stdout, signal } = options;
  const { host, port } = parseEndpoint(options.endpoint);
  const address = await resolveHost(host);

  let sockets: Sockets | undefined;
  const decoder = new MessageDecoder({ onProblem: (problem) => warn(log, problem) });
  const end = new Ending(signal);
  const output = new LineOutput(stdout, {
    // UDP cannot be held back: what the output has no room for is dropped there.
    congested: () => sockets?.tcp.pause(),
    drained: () => sockets?.tcp.resume(),
    closed: (error) => (error.code === 'EPIPE' ? end.now() : end.with(error)),
  });
  const receiver = printer(options, output);
  sockets = await bind({ address, port, decoder, receiver, onError: (error) => end.with(error) });
  output.start();
  const { udp, tcp, bound } = sockets;
  log.info(
    `listening on ${endpoint(bound.address, bound.port)}: UDP for NetFlow v5, v9 and IPFIX, TCP for IPFIX`,
    {
      ...bound,
    },
  );
  try {
    await end.promise;
  } finally {
    await Promise.all([udp.stop(), tcp.stop()]);
    await output.finish();
    const { malformed, oddities, ...counters } = decoder.counters;
    log.info(`received ${counters.records} flow records in ${counters.messages} messages`, {
      ...counters,
      datagrams: udp.counters.datagrams,
      connections: tcp.counters.connections,
      notPrinted: output.dropped,
      malformed: nonZero(malformed),
      oddities: nonZero(oddities),
    });
  }
}

/** Settles once: when the signal comes, or for another reason. */
class Ending {
  readonly promise: Promise<void>;
  now!: () => void;
  with!: (error: Error) => void;

  constructor(signal: AbortSignal) {
    this.promise = new Promise((resolve, reject) => {
      this.now = resolve;
      this.with = reject;
    });
    // Whoever waits sees it; until somebody does, it is no unhandled rejection.
    this.promise.catch(() => undefined);
    if (signal.aborted) this.now();
    signal.addEventListener('abort', () => this.now(), { once: true });
  }
}

/** Options data is about exporters, not flows: counted, and not printed. */
function printer({ json, isTerminal }: ListenOptions, output: LineOutput): DecodedRecordReceiver {
  const options = () => undefined;
  if (json || !isTerminal) return { options, record: (record) => output.line(recordToJson(record)) };
  const lines = new RecordLines();
  return {
    options,
    record: (record, message) => output.line(lines.line(record, message.exportTimeMilliseconds)),
  };
}

function warn(log: ListenOptions['log'], problem: Problem): void {
  const { reason, malformed, source, version, length, offset } = problem;
  const from = endpoint(source.address, source.port);
  // By reason alone: sources are the sender's to choose, and the log remembers every key.
  log
    .rateLimited(`listen ${reason}`, PROBLEM_INTERVAL_SECONDS)
    .warn(`a message from ${from} ${PROBLEM_TEXTS[reason]}${malformed ? '; it is discarded' : ''}`, {
      reason,
      source: from,
      version,
      octets: length,
      offset,
    });
}

function nonZero(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** @throws UserError where it is not `PORT`, `ADDRESS:PORT` or `[IPv6 ADDRESS]:PORT` */
export function parseEndpoint(text: string): Endpoint {
  const match = /^(?:\[([^[\]]*)\]:|([^:[\]]*):)?(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? DEFAULT_ADDRESS;
  const port = Number(match?.[3]);
  if (match === null || host === '' || port > 65535) {
    throw new UserError(`"${text}" is no [ADDRESS:]PORT to listen on`, {
      hint: 'for example 4739, 0.0.0.0:4739 or [::]:4739: an IPv6 address goes into brackets',
      exitCode: EXIT_USAGE,
    });
  }
  return { host, port };
}

async function resolveHost(host: string): Promise<string> {
  if (isIP(host) !== 0) return host;
  try {
    return (await lookup(host)).address;
  } catch (error) {
    throw new UserError(`cannot resolve "${host}" to listen on`, {
      hint: 'give an IP address of this machine (ip address shows them), or 0.0.0.0 for all of them',
      cause: error,
    });
  }
}

interface Sockets {
  readonly udp: UdpCollector;
  readonly tcp: TcpCollector;
  readonly bound: BoundAddress;
}

/** UDP and TCP on one port. @throws UserError */
async function bind(options: CollectorOptions): Promise<Sockets> {
  for (let attempt = 1; ; attempt++) {
    const udp = new UdpCollector(options);
    const bound = await start(udp, options, 'UDP');
    const tcp = new TcpCollector({ ...options, port: bound.port });
    try {
      await start(tcp, { ...options, port: bound.port }, 'TCP');
      return { udp, tcp, bound };
    } catch (error) {
      await udp.stop();
      // The kernel knows what is free for UDP; that it is free for TCP is likely, not sure.
      if (options.port !== 0 || attempt === PORT_ATTEMPTS) throw error;
    }
  }
}

async function start(
  collector: UdpCollector | TcpCollector,
  { address, port }: CollectorOptions,
  protocol: 'UDP' | 'TCP',
): Promise<BoundAddress> {
  try {
    return await collector.start();
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    throw new UserError(
      `cannot listen on ${endpoint(address, port)} (${protocol}): ${REASONS[code] ?? message}`,
      {
        hint: HINTS[code]?.(port) ?? 'give another [ADDRESS:]PORT',
        cause: error,
      },
    );
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use',
  EACCES: 'no permission',
  EADDRNOTAVAIL: 'this machine does not have the address',
};
const HINTS: Readonly<Record<string, (port: number) => string>> = {
  EADDRINUSE: (port) => `ss -tulnp sport = :${port} shows who has it; or choose another port`,
  EACCES: () =>
    'ports below 1024 take root (or CAP_NET_BIND_SERVICE): sudo weir listen …, or choose a higher port',
  EADDRNOTAVAIL: () => 'ip address shows the addresses; 0.0.0.0 and [::] stand for all of them',
};
