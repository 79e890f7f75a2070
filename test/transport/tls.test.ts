/** TLS over real sockets on loopback, with certificates made by openssl; only time is the test's. */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer as createTcpServer, isIP } from 'node:net';
import { join } from 'node:path';
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import t, { type Test } from 'tap';
import type { TransportEvent } from '../../src/transport/session.ts';
import { TcpTransport } from '../../src/transport/tcp.ts';
import { readTlsFiles, type TlsFiles } from '../../src/transport/tls-files.ts';
import { TlsConnector } from '../../src/transport/tls-socket.ts';
import { Authority, type Certificate, noOpenssl, openssl } from '../support/certificates.ts';
import { Books, FakeClock, OPENING, range, type TestMessage, testMessage, until } from './helpers.ts';

const OCTETS = 8;
const VARIABLE = 'NODE_TLS_REJECT_UNAUTHORIZED';

/** A collector with TLS, and the Messages that it has read. */
async function collectorWith(
  t: Test,
  certificate: Certificate,
  options: TlsOptions = {},
  address = '127.0.0.1',
) {
  const connections: { socket: TLSSocket; ids: number[]; ended: boolean }[] = [];
  const server = createServer(
    { cert: readFileSync(certificate.cert), key: readFileSync(certificate.key), ...options },
    (socket) => {
      const connection = { socket, ids: [] as number[], ended: false };
      let rest = Buffer.alloc(0);
      socket.on('data', (chunk) => {
        rest = Buffer.concat([rest, chunk]);
        for (; rest.length >= OCTETS; rest = rest.subarray(OCTETS)) connection.ids.push(rest.readUInt32BE(0));
      });
      socket.on('error', () => {}); // resets are part of the play
      socket.on('end', () => {
        connection.ended = true;
      });
      connections.push(connection);
    },
  );
  server.on('tlsClientError', () => {}); // so are handshakes that fail
  server.listen(0, address);
  await once(server, 'listening');
  t.teardown(() => {
    for (const { socket } of connections) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, connections };
}

function transportTo(t: Test, port: number, host: string, files: TlsFiles) {
  const events: TransportEvent[] = [];
  const clock = new FakeClock();
  const transport = new TcpTransport<TestMessage>({
    host,
    port,
    connector: new TlsConnector(host, files),
    lookup: async () => [{ address: '127.0.0.1', family: 4 }],
    onEvent: (event) => events.push(event),
    clock,
    random: () => 0,
  });
  t.teardown(() => transport.stop());
  const books = new Books();
  transport.start(books);
  return { transport, events, clock, books };
}

/** One of each kind of certificate. */
function certificatesIn(t: Test) {
  const folder = t.testdir({});
  const ca = new Authority(folder, 'weir-test-ca');
  return {
    folder,
    ca,
    collector: ca.issue('collector', 'DNS:collector.example,IP:127.0.0.1'),
    expired: ca.issue('expired', 'DNS:collector.example', -1),
    exporter: ca.issue('exporter', 'DNS:router.example'),
    stranger: new Authority(folder, 'stranger'),
  };
}

t.test('over TLS', { skip: noOpenssl }, async (t) => {
  const { folder, ca, collector, expired, exporter, stranger } = certificatesIn(t);
  const strangers = new Authority(folder, 'other-ca').issue('theirs', 'DNS:router.example');

  for (const [version, options] of [
    ['TLS 1.3', {}],
    ['TLS 1.2', { maxVersion: 'TLSv1.2' }],
    ['both certificates', { requestCert: true, ca: readFileSync(ca.cert) }],
  ] as const) {
    for (const host of ['collector.example', 'collector.example.', '127.0.0.1']) {
      await t.test(`Messages arrive in order, to the last: ${version}, ${host}`, async (t) => {
        const { port, connections } = await collectorWith(t, collector, options);
        const { transport, books, events, clock } = transportTo(t, port, host, { ca: ca.cert, ...exporter });
        for (const id of range(5_000)) transport.send(testMessage(id));
        await until('it has left', () => books.sent.length === 5_001);
        t.equal(transport.state, 'sending');
        t.match(transport.endpoints, { localAddress: '127.0.0.1', remotePort: port });
        transport.stop();
        await until('the end has come', () => connections[0]?.ended === true);
        t.same(connections[0]!.ids, [OPENING + 1, ...range(5_000)]);
        t.same(books.sent, connections[0]!.ids);
        t.same(
          events.map(({ kind }) => kind),
          ['connected'],
        );
        t.equal(transport.counters.sendErrors, 0);
        t.equal(clock.pending, 0, 'no timer is left');
      });
    }
  }

  await t.test('what a collector shows is verified, and what is wrong says what to do', async (t) => {
    const self = stranger;
    const cases: {
      name: string;
      server: Certificate;
      options?: TlsOptions;
      host?: string;
      files?: TlsFiles;
      wrong: RegExp;
    }[] = [
      { name: 'expired', server: expired, wrong: /has expired; renew it.*\(CERT_HAS_EXPIRED\)$/ },
      {
        name: 'another name',
        server: collector,
        host: 'other.example',
        wrong:
          /certificate is for DNS:collector.example, IP Address:127.0.0.1, not for other.example; use a name that is in it/,
      },
      {
        name: 'another address',
        server: collector,
        host: '127.0.0.9',
        wrong: /is for DNS:collector.example, IP Address:127.0.0.1, not for 127.0.0.9/,
      },
      {
        name: 'the system’s roots alone',
        server: collector,
        files: {},
        wrong: /no CA that Weir trusts.*ca=FILE/,
      },
      {
        name: 'another CA',
        server: collector,
        files: { ca: stranger.cert },
        wrong: /no CA that Weir trusts/,
      },
      { name: 'self-signed', server: self, files: {}, wrong: /no CA that Weir trusts/ },
      {
        name: 'TLS 1.1',
        server: collector,
        options: { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
        wrong: /no TLS that is fit for use/,
      },
      {
        name: 'a certificate of Weir is demanded (1.3)',
        server: collector,
        options: { requestCert: true, ca: readFileSync(ca.cert) },
        wrong: /demands a certificate of Weir; give one with cert=FILE and key=FILE/,
      },
      {
        name: 'a certificate of Weir is demanded (1.2)',
        server: collector,
        options: { requestCert: true, ca: readFileSync(ca.cert), maxVersion: 'TLSv1.2' },
        wrong: /refused the handshake: .*cert=FILE and key=FILE|closed it/,
      },
      {
        name: 'a certificate that the collector does not trust',
        server: collector,
        options: { requestCert: true, ca: readFileSync(ca.cert) },
        files: { ca: ca.cert, ...strangers },
        // Node's server ends the handshake before it looks, and then closes; openssl's says why (test/interop).
        wrong: /closed it after the handshake; it may not accept the certificate of cert=/,
      },
    ];
    for (const { name, server, options = {}, host = 'collector.example', files, wrong } of cases) {
      const { port, connections } = await collectorWith(
        t,
        server,
        options,
        isIP(host) === 0 ? undefined : host,
      );
      const { transport, events, books } = transportTo(t, port, host, files ?? { ca: ca.cert });
      transport.send(testMessage(0));
      await until(`${name} is told`, () => events.length > 0);
      t.equal(events[0]!.kind, 'error', name);
      t.match(events[0]!.text, wrong, name);
      t.equal(transport.state, 'failing');
      t.same(books.stamped.size, 0, `${name}: nothing was sent`);
      t.equal(transport.queued, 1, `${name}: what is queued waits`);
      t.same(
        connections.flatMap(({ ids }) => ids),
        [],
        name,
      );
      transport.stop();
    }
  });

  await t.test('NODE_TLS_REJECT_UNAUTHORIZED does not turn verification off', async (t) => {
    const before = process.env[VARIABLE];
    const { emitWarning } = process;
    process.emitWarning = () => {}; // Node warns of the variable
    process.env[VARIABLE] = '0';
    t.teardown(() => {
      if (before === undefined) delete process.env[VARIABLE];
      else process.env[VARIABLE] = before;
      process.emitWarning = emitWarning;
    });
    const { port } = await collectorWith(t, expired);
    const { events } = transportTo(t, port, 'collector.example', { ca: ca.cert });
    await until('it is told', () => events.length > 0);
    t.match(events[0]!.text, /has expired/);
  });

  await t.test('a certificate that is renewed is used for the next connection', async (t) => {
    const files = { ca: join(folder, 'renewed-ca.pem') };
    writeFileSync(files.ca, readFileSync(stranger.cert));
    const { port, connections } = await collectorWith(t, collector);
    const { events, clock, transport } = transportTo(t, port, 'collector.example', files);
    await until('the first attempt has failed', () => events.length === 1);
    writeFileSync(files.ca, readFileSync(ca.cert));
    await clock.advance(500);
    await until('it is connected', () => transport.state === 'sending');
    t.equal(connections.length, 1);
  });

  await t.test('a collector that breaks the connection: a new session', async (t) => {
    const { port, connections } = await collectorWith(t, collector);
    const { transport, clock, events, books } = transportTo(t, port, 'collector.example', { ca: ca.cert });
    transport.send(testMessage(0));
    await until('it has arrived', () => connections[0]?.ids.length === 2);
    connections[0]!.socket.destroy();
    await until('the loss is seen', () => transport.state === 'failing');
    transport.send(testMessage(1));
    await clock.advance(500);
    await until('it has arrived, too', () => connections[1]?.ids.length === 2);
    t.same(connections[1]!.ids, [OPENING + 2, 1]);
    t.equal(books.sessions, 2);
    t.same(
      events.map(({ kind }) => kind),
      ['connected', 'disconnected', 'connected'],
    );
  });

  await t.test('a collector that says nothing after the handshake agrees after a second', async (t) => {
    // No session tickets: SSL_OP_NO_TICKET, and none by number, which node:tls has no name for.
    const { constants } = await import('node:crypto');
    const { port, connections } = await collectorWith(t, collector, {
      secureOptions: constants.SSL_OP_NO_TICKET,
      sessionTimeout: 1,
    });
    const { clock, books, transport } = transportTo(t, port, 'collector.example', { ca: ca.cert });
    await until('the handshake is over', () => connections.length === 1);
    await clock.advance(1_000);
    await until('the session has begun', () => books.sessions === 1);
    t.equal(transport.state, 'sending');
  });

  await t.test('a port without TLS, and one that does not answer', async (t) => {
    const plain = createTcpServer((socket) => {
      socket.on('error', () => {});
      socket.write('220 mail.example ESMTP\r\n');
    });
    const silent = createTcpServer((socket) => socket.on('error', () => {}));
    for (const server of [plain, silent]) {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      t.teardown(() => server.close());
    }
    const one = transportTo(t, (plain.address() as AddressInfo).port, 'collector.example', { ca: ca.cert });
    await until('it is told', () => one.events.length > 0);
    t.match(one.events[0]!.text, /does not speak TLS on this port; look at the port, or use ipfix\+tcp/);

    const connection = once(silent, 'connection');
    const two = transportTo(t, (silent.address() as AddressInfo).port, 'collector.example', { ca: ca.cert });
    await connection;
    await until('the handshake has begun', () => two.clock.pending > 0);
    await two.clock.advance(10_000);
    await until('it is told', () => two.events.length > 0);
    t.match(two.events[0]!.text, /no answer within 10 s$/);
    one.transport.stop();
    two.transport.stop();
  });

  await t.test('files: what is wrong with them, and the system’s roots', async (t) => {
    const empty = join(folder, 'empty.pem');
    writeFileSync(empty, '');
    const locked = join(folder, 'locked.key');
    openssl('pkey', '-in', exporter.key, '-aes256', '-passout', 'pass:secret', '-out', locked);
    const cases: [TlsFiles, RegExp][] = [
      [{ ca: '/no/such/ca.pem' }, /^ca: \/no\/such\/ca.pem: there is no such file$/],
      [{ ca: folder }, /^ca: .*: it is a directory; give a file of PEM$/],
      [{ ca: empty }, /^ca: .*empty.pem holds no certificate; give PEM/],
      [{ cert: '/no/cert', key: exporter.key }, /^cert: \/no\/cert: there is no such file$/],
      [{ cert: exporter.cert, key: '/no/key' }, /^key: \/no\/key: there is no such file$/],
      [{ cert: exporter.cert, key: exporter.cert }, /^key: .* holds no private key; give PEM/],
      [{ cert: exporter.cert, key: locked }, /^key: .*locked.key is encrypted/],
      [
        { cert: exporter.cert, key: collector.key },
        /^key: .*collector.key is not the key of the certificate in .*exporter.pem; give the two that belong together$/,
      ],
    ];
    for (const [files, wrong] of cases) {
      t.throws(() => readTlsFiles(files), { message: wrong });
    }
    const roots = ['/no/such/roots', ca.cert, stranger.cert];
    t.same(readTlsFiles({}, roots), { ca: readFileSync(ca.cert) }, 'the first of the system’s that exists');
    t.same(readTlsFiles({}, ['/no/such/roots']), {}, 'none: Node’s own');
    t.same(
      readTlsFiles({ ca: stranger.cert }, roots),
      { ca: readFileSync(stranger.cert) },
      'ca= replaces them',
    );
  });
});
