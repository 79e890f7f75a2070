/** A collector that vanishes without a word: no FIN, no RST, nothing is acknowledged. */
import { test } from 'tap';
import { OPENING } from '../transport/helpers.ts';
import { inside, labFor, noLiveCapture, server } from './program.ts';

/** In place of 30 s; the machinery and the kernel are those of always. */
const PATIENCE_MILLISECONDS = 1_500;

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

    // The router swallows everything between the two, and tells neither.
    const length = version === 'ipv4' ? 32 : 128;
    const routes = [host, client].map((address) => ['route', '%', 'blackhole', `${address}/${length}`]);
    const change = async (what: string) => {
      for (const route of routes)
        await lab.router.run(['ip', ...route.map((word) => (word === '%' ? what : word))]);
    };
    await change('add');
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

    await change('del');
    await collector.program.until('another connection', ({ lines }) => lines.length === 3);
    t.equal(collector.program.lines[2]!.first, OPENING + 2, 'a new session, its opening Message first');
    exporter.child.kill();
    await exporter.closed;
    await lab.close();
  }
});
