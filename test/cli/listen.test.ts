import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { PassThrough, Writable } from 'node:stream';
import t, { type Test } from 'tap';
import { UserError } from '../../src/cli/errors.ts';
import { type ListenOptions, listen, parseEndpoint } from '../../src/cli/listen.ts';
import type { Logger } from '../../src/cli/logger.ts';
import { ipfix, octets } from '../collect/octets.ts';

/** The standard fields of one TCP flow, in an order of its own. */
const FLOW = ipfix(
  0,
  `00 02 00 38
   01 00 00 0c
   00 98 00 08  00 99 00 08  00 08 00 04  00 0c 00 04  00 07 00 02  00 0b 00 02
   00 04 00 01  00 06 00 02  00 02 00 08  00 01 00 08  00 88 00 01  00 0a 00 04
   01 00 00 38
   00 00 01 8b cf e5 68 07  00 00 01 8b cf e5 68 08
   c0 00 02 01  c6 33 64 02  c0 00  00 50  06  00 1b
   00 00 00 00 00 00 00 05  00 00 00 00 00 00 05 dc  03  00 00 00 02`,
);
const FLOW_LINE =
  '{"flowStartMilliseconds":1700000000007,"flowEndMilliseconds":1700000000008,"sourceIPv4Address":"192.0.2.1",' +
  '"destinationIPv4Address":"198.51.100.2","sourceTransportPort":49152,"destinationTransportPort":80,' +
  '"protocolIdentifier":6,"tcpControlBits":27,"packetDeltaCount":5,"octetDeltaCount":1500,"flowEndReason":3,' +
  '"ingressInterface":2}';
/** A NAT event without addresses, with a name that would clear the screen. */
const EVENT = ipfix(
  0,
  `00 02 00 10 01 01 00 02 00 e6 00 01 00 52 00 05
   01 01 00 0a 01 1b 5b 32 4a 00`,
  8,
);

interface Running {
  readonly port: number;
  readonly stdout: PassThrough;
  readonly said: { level: string; message: string; fields: Record<string, unknown> }[];
  /** The text on standard output, as soon as it has so many lines. */
  lines(count: number): Promise<string[]>;
  end(): Promise<void>;
}

async function run(t: Test, options: Partial<ListenOptions> = {}): Promise<Running> {
  const said: Running['said'] = [];
  let announce = (_port: number) => {};
  const listening = new Promise<number>((resolve) => {
    announce = resolve;
  });
  const say = (level: string) => (message: string, fields: object) => {
    said.push({ level, message, fields: { ...fields } });
    if (message.startsWith('listening')) announce((fields as { port: number }).port);
  };
  const logger: Logger = { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') };
  const stdout = new PassThrough();
  const aborter = new AbortController();
  const finished = listen({
    endpoint: '0',
    json: false,
    stdout,
    isTerminal: false,
    log: { ...logger, rateLimited: () => logger },
    signal: aborter.signal,
    ...options,
  });
  t.teardown(() => aborter.abort());
  const port = await Promise.race([listening, finished.then(() => 0)]);
  let text = '';
  stdout.on('data', (chunk) => {
    text += chunk;
  });
  return {
    port,
    stdout,
    said,
    async lines(count) {
      while (text.split('\n').length - 1 < count) await once(stdout, 'data');
      return text.split('\n').slice(0, -1);
    },
    end() {
      aborter.abort();
      return finished;
    },
  };
}

function send(t: Test, port: number, ...messages: Uint8Array[]) {
  const sender = createSocket('udp4');
  t.teardown(() => sender.close());
  for (const message of messages) sender.send(message, port, '127.0.0.1');
}

t.test('JSON lines from UDP and TCP on one port, and the counts at the end', async (t) => {
  const running = await run(t);
  send(t, running.port, FLOW, octets('00 0a 00 10'));
  t.same(await running.lines(1), [FLOW_LINE]);
  const client = connect(running.port, '127.0.0.1');
  client.end(FLOW);
  t.same(await running.lines(2), [FLOW_LINE, FLOW_LINE]);
  await running.end();
  client.destroy();

  const [first, ...rest] = running.said;
  t.match(first, {
    level: 'info',
    message: `listening on 127.0.0.1:${running.port}: UDP`,
    fields: { port: running.port },
  });
  t.match(rest, [
    {
      level: 'warn',
      message: / ends within its header; it is discarded$/,
      fields: { reason: 'truncated_header', octets: 4 },
    },
    {
      level: 'info',
      message: 'received 2 flow records in 2 messages',
      fields: {
        records: 2,
        datagrams: 2,
        connections: 1,
        lostRecords: 0,
        malformed: { truncated_header: 1 },
      },
    },
  ]);
});

t.test('lines for people on a terminal', async (t) => {
  const running = await run(t, { isTerminal: true });
  send(t, running.port, FLOW, EVENT);
  const [flow, event] = await running.lines(2);
  const time = new Date(1700000000007);
  const minutes = String(time.getMinutes()).padStart(2, '0');
  t.match(
    flow,
    new RegExp(
      `^2023-11-1\\d \\d\\d:${minutes}:20\\.007 tcp +192\\.0\\.2\\.1:49152 → 198\\.51\\.100\\.2:80 +5 +1\\.50 kB \\.AP\\.SF +end$`,
    ),
  );
  t.equal(event, 'natEvent=1 interfaceName=\\x1b[2J');
  await running.end();
});

t.test('--json on a terminal', async (t) => {
  const running = await run(t, { isTerminal: true, json: true });
  send(t, running.port, FLOW);
  t.same(await running.lines(1), [FLOW_LINE]);
  await running.end();
});

t.test('when nobody reads any more, it ends quietly', async (t) => {
  let port = 0;
  const log: Logger = {
    debug: () => {},
    info: (_message, fields) => {
      if (port === 0) {
        port = (fields as { port: number }).port;
        send(t, port, FLOW);
      }
    },
    warn: (message) => t.fail(message),
    error: (message) => t.fail(message),
  };
  const stdout = new Writable({
    write(_chunk, _encoding, done) {
      done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    },
  });
  const signal = new AbortController().signal;
  await listen({
    endpoint: '0',
    json: true,
    stdout,
    isTerminal: false,
    log: { ...log, rateLimited: () => log },
    signal,
  });
  t.not(port, 0);
});

t.test('endpoints', async (t) => {
  t.same(parseEndpoint('4739'), { host: '127.0.0.1', port: 4739 });
  t.same(parseEndpoint('0.0.0.0:2055'), { host: '0.0.0.0', port: 2055 });
  t.same(parseEndpoint('localhost:2055'), { host: 'localhost', port: 2055 });
  t.same(parseEndpoint('[2001:db8::1]:2055'), { host: '2001:db8::1', port: 2055 });
  for (const text of [
    '',
    ':',
    ':4739',
    '65536',
    '::1:4739',
    '[::1]',
    '[]:1',
    '127.0.0.1',
    '127.0.0.1:',
    '4739 ',
    '-1',
  ]) {
    t.throws(
      () => parseEndpoint(text),
      { name: 'UserError', exitCode: 2, hint: /brackets/ },
      JSON.stringify(text),
    );
  }
});

t.test('an endpoint that cannot be had', async (t) => {
  const running = await run(t);
  const failing = (endpoint: string) =>
    run(t, { endpoint }).then(
      () => undefined,
      (error) => error,
    );
  const taken = await failing(String(running.port));
  t.ok(taken instanceof UserError);
  t.match(taken, {
    message: /127\.0\.0\.1:\d+ \(UDP\): the port is in use/,
    hint: /^ss -tulnp/,
    exitCode: 1,
  });
  t.match(await failing('192.0.2.1:0'), { name: 'UserError', message: /does not have the address/ });
  t.match(await failing('no-such-name.invalid:0'), { name: 'UserError', message: /cannot resolve/ });
  await running.end();
});
