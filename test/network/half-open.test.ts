/** A collector that vanishes without a word: no FIN, no RST, nothing is acknowledged. */
import { test } from 'tap';
import type { Lab } from '../../src/cli/demo/lab.ts';
import { OPENING } from '../transport/helpers.ts';
import { inside, labFor, noLiveCapture, server } from './program.ts';

/** In place of 30 s; the machinery and the kernel are those of always. */
const PATIENCE_MILLISECONDS = 1_500;

/** The router swallows everything to these, and tells nobody. */
async function swallow(lab: Lab, what: 'add' | 'del', addresses: readonly string[]): Promise<void> {
  for (const address of addresses) {
    const prefix = `${address}/${address.includes(':') ? 128 : 32}`;
    await lab.router.run(['ip', 'route', what, 'blackhole', prefix]);
  }
}

test('a connection that is half open is given up, and made again when the way is back', {
  skip: noLiveCapture,
  timeout: 60_000,
}, async (t) => {
  for (const version of ['ipv4', 'ipv6'] as const) {
    const lab = await labFor(t);
    const [host, client] = [lab.addresses.server[version], lab.addresses.client[version]];
    const collector = await server(lab.server, 'tcp-numbers', host);
    const exporter = inside(lab.client, 'tcp-exporter', host, collector.port, PATIENCE_MILLISECONDS);
    await collector.program.until('the connection', ({ lines }) => lines.length === 2);
    t.equal(collector.program.lines[1]!.first, OPENING + 1);

    await swallow(lab, 'add', [host, client]);
    const from = performance.now();
    const lost = await exporter.until('the loss', ({ lines }) =>
      lines.find(({ kind }) => kind === 'disconnected'),
    );
    const milliseconds = performance.now() - from;
    t.match(
      String(lost.text),
      /lost the connection to .*: nothing was acknowledged for [\d.]+ s; \d+ octets that had left may be lost/,
    );
    // A retransmission and two looks beyond the patience; and room for a busy machine.
    t.ok(milliseconds < 4 * PATIENCE_MILLISECONDS, `${version}: after ${Math.round(milliseconds)} ms`);

    await swallow(lab, 'del', [host, client]);
    await collector.program.until('another connection', ({ lines }) => lines.length === 3);
    t.equal(collector.program.lines[2]!.first, OPENING + 2, 'a new session, its opening Message first');
    exporter.child.kill();
    await exporter.closed;
    await lab.close();
  }
});

test('one without traffic, too: its first probe goes out after 30 s', {
  skip: noLiveCapture,
  timeout: 90_000,
}, async (t) => {
  const lab = await labFor(t);
  const { ipv4 } = lab.addresses.server;
  const collector = await server(lab.server, 'tcp-numbers', ipv4);
  const exporter = inside(lab.client, 'tcp-exporter', ipv4, collector.port, PATIENCE_MILLISECONDS, 'quiet');
  await collector.program.until('the connection', ({ lines }) => lines.length === 2);
  await swallow(lab, 'add', [ipv4, lab.addresses.client.ipv4]);
  const lost = await exporter.until(
    'the loss',
    ({ lines }) => lines.find(({ kind }) => kind === 'disconnected'),
    60_000,
  );
  t.match(lost.text, /nothing was acknowledged for [\d.]+ s$/, 'nothing had been on its way');
});
