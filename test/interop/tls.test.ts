/** `ipfix+tls://` against openssl's server: what it decrypts is what `weir read --json` prints. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { Authority, noOpenssl } from '../support/certificates.ts';
import { decodeStream } from '../support/ipfix-stream.ts';
import type { Test } from './peers.ts';
import { sampleCapture } from './sample.ts';
import { weir } from './weir.ts';

/** `openssl s_server`, and what it has decrypted and said. */
class Server {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #octets: Buffer[] = [];
  stderr = '';

  constructor(port: number, args: readonly string[]) {
    this.port = port;
    // -quiet: standard output is what was decrypted, and nothing else. Its input stays open: at its end it would end.
    this.#child = spawn('openssl', ['s_server', '-quiet', '-accept', `127.0.0.1:${port}`, ...args]);
    this.#child.stdout!.on('data', (octets) => this.#octets.push(octets));
    this.#child.stderr!.setEncoding('utf8').on('data', (text) => {
      this.stderr += text;
    });
  }

  get octets(): Buffer {
    return Buffer.concat(this.#octets);
  }

  /** Resolves when it has ended by itself, after the connections that it was told to take. */
  async ended(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'close');
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

async function startServer(t: Test, ...args: string[]): Promise<Server> {
  const free = createServer();
  free.listen(0, '127.0.0.1');
  await once(free, 'listening');
  const { port } = free.address() as AddressInfo;
  free.close();
  await once(free, 'close');
  const server = new Server(port, args);
  t.teardown(() => server.kill());
  return server;
}

t.test('openssl s_server receives every record', { skip: noOpenssl, timeout: 60_000 }, async (t) => {
  const folder = t.testdir({});
  const ca = new Authority(folder, 'weir-test-ca');
  const collector = ca.issue('collector', 'DNS:localhost,IP:127.0.0.1');
  const exporter = ca.issue('exporter', 'DNS:router.example');
  const strangers = new Authority(folder, 'other-ca').issue('theirs', 'DNS:router.example');
  const file = sampleCapture(t);
  const serverArgs = ['-cert', collector.cert, '-key', collector.key, '-CAfile', ca.cert, '-naccept', '1'];
  const demands = ['-Verify', '1', '-verify_return_error'];
  const own = `&cert=${exporter.cert}&key=${exporter.key}`;

  for (const [name, args, parameters, host] of [
    ['TLS 1.3', [], '', 'localhost'],
    ['TLS 1.2, an address', ['-tls1_2'], '', '127.0.0.1'],
    ['TLS 1.3, both certificates', demands, own, 'localhost'],
    ['TLS 1.2, both certificates', [...demands, '-tls1_2'], own, 'localhost'],
    ['without session tickets', ['-num_tickets', '0'], '', 'localhost'],
  ] as const) {
    await t.test(name, async (t) => {
      const server = await startServer(t, ...serverArgs, ...args);
      // Weir connects again until the server listens.
      const url = `ipfix+tls://${host}:${server.port}?ca=${ca.cert}${parameters}`;
      const { code, stdout, log } = await weir('read', file, '--json', '-c', url);
      t.equal(code, 0, 'weir read ends well', { log });
      await server.ended();
      const expected = stdout.split('\n').slice(0, -1);
      t.ok(expected.length > 500, `${expected.length} records`);
      const { lines, ...faults } = decodeStream(server.octets);
      t.same(lines.sort(), expected.sort());
      t.match(faults, { lostRecords: 0, missingTemplate: 0, malformed: 0, rest: 0 });
      t.notMatch(server.stderr, /unexpected eof|error/i, 'the end was told by close_notify');
    });
  }

  await t.test('a certificate that the server does not trust: nothing is counted as sent', async (t) => {
    // TLS 1.3 is the difficult one: the handshake is over for Weir before the server looks at the certificate.
    const server = await startServer(t, ...serverArgs.slice(0, -2), ...demands, '-tls1_3');
    const url = `ipfix+tls://localhost:${server.port}?ca=${ca.cert}&cert=${strangers.cert}&key=${strangers.key}`;
    const { code, log } = await weir('read', file, '-c', url);
    t.equal(code, 1, 'records were not sent');
    t.ok(
      log.some(({ msg }) => /does not accept the certificate of cert=.*ALERT_UNKNOWN_CA/.test(msg)),
      'it is said',
      { log },
    );
    t.match(
      log.find(({ msg }) => msg.startsWith('exported, but')),
      { records: 0, messages: 0, notSentRecords: { shutdown: Number } },
    );
    t.equal(server.octets.length, 0);
  });

  await t.test('files that cannot be used end Weir before it begins', async (t) => {
    for (const [parameters, wrong] of [
      [`ca=${join(folder, 'missing.pem')}`, /ca: .*missing.pem: there is no such file/],
      [`cert=${exporter.cert}&key=${collector.key}`, /key: .* is not the key of the certificate in/],
    ] as const) {
      const { code, stderr } = await weir('read', file, '-c', `ipfix+tls://localhost?${parameters}`);
      t.equal(code, 2);
      t.match(stderr, wrong);
    }
  });
});
