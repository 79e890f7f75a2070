import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { buildRegistry } from '../../src/metrics/registry.ts';
import { MetricsServer, type MetricsServerOptions } from '../../src/metrics/server.ts';
import { testSources } from './sources.ts';

async function serve(t: Test, options: Partial<MetricsServerOptions> = {}) {
  const sources = testSources();
  const server = new MetricsServer({
    address: '127.0.0.1',
    port: 0,
    registry: buildRegistry(sources),
    captures: sources.captures,
    collectors: sources.collectors,
    ...options,
  });
  t.teardown(() => server.stop());
  const { address, port } = await server.start();
  return { server, sources, port, url: `http://${address.includes(':') ? `[${address}]` : address}:${port}` };
}

/** A plain connection, and what it received until it was closed. */
async function raw(
  t: Test,
  port: number,
  request: string,
): Promise<{ socket: Socket; text: Promise<string> }> {
  const socket = connect(port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  let text = '';
  socket.on('data', (octets) => {
    text += octets.toString();
  });
  socket.on('error', () => {}); // a reset is one way to be closed
  const closed = once(socket, 'close').then(() => text);
  await once(socket, 'connect');
  socket.write(request);
  return { socket, text: closed };
}

t.test('/metrics, /healthz, and what is not there', async (t) => {
  const { url } = await serve(t);
  const metrics = await fetch(`${url}/metrics?x=1`);
  t.equal(metrics.status, 200);
  t.equal(metrics.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  t.match(await metrics.text(), /\nweir_captured_packets_total 1000\n/);
  const health = await fetch(`${url}/healthz`);
  t.equal(health.status, 200);
  t.equal(await health.text(), 'ok\n');
  const head = await fetch(`${url}/metrics`, { method: 'HEAD' });
  t.equal(head.status, 200);
  t.ok(Number(head.headers.get('content-length')) > 1_000);
  t.equal(await head.text(), '');
  t.equal((await fetch(`${url}/`)).status, 404);
  t.equal((await fetch(`${url}/metrics/`)).status, 404);
  const post = await fetch(`${url}/metrics`, { method: 'POST', body: 'x' });
  t.equal(post.status, 405);
  t.equal(post.headers.get('allow'), 'GET, HEAD');
});

t.test('/readyz: captures decide, collectors are reported', async (t) => {
  const { url, sources } = await serve(t);
  const ask = async () => {
    const response = await fetch(`${url}/readyz`);
    return { status: response.status, body: await response.json() };
  };
  const collectors = [{ collector: 'ipfix://c.example:4739', state: 'failing' }];
  t.same(await ask(), {
    status: 503,
    body: {
      ready: false,
      captures: [
        { interface: 'eth0', capturing: true },
        { interface: 'eth1', capturing: false },
      ],
      collectors,
    },
  });
  sources.captures[1]!.capturing = true;
  const { status, body } = await ask();
  t.equal(status, 200, 'although the collector fails');
  t.match(body, { ready: true, collectors });
});

t.test('nothing captured is not ready', async (t) => {
  const { url } = await serve(t, { captures: [] });
  t.equal((await fetch(`${url}/readyz`)).status, 503);
});

t.test('an address that cannot be had is explained', async (t) => {
  const { port } = await serve(t);
  await t.rejects(serve(t, { port }), {
    message: `the metrics' address 127.0.0.1:${port} is in use by another program; choose another with --metrics ADDRESS:PORT, or --metrics off`,
  });
  await t.rejects(serve(t, { address: '192.0.2.77' }), {
    message: /192\.0\.2\.77:0 is none of this machine/,
  });
});

t.test('IPv6', async (t) => {
  const { url } = await serve(t, { address: '::1' });
  t.equal((await fetch(`${url}/healthz`)).status, 200);
});

t.test('a few scrapes at a time, a failure is said, and stop ends what is under way', async (t) => {
  const waiting: { resolve: (text: string) => void; reject: (error: Error) => void }[] = [];
  let asked = () => {};
  const registry = {
    contentType: 'text/plain',
    metrics: () =>
      new Promise<string>((resolve, reject) => {
        waiting.push({ resolve, reject });
        asked();
      }),
  };
  const { url, server } = await serve(t, { registry, timeoutMilliseconds: 600_000 });
  const askedFor = (count: number) =>
    new Promise<void>((resolve) => {
      asked = () => {
        if (waiting.length === count) resolve();
      };
    });
  const four = askedFor(4);
  const scrapes = [1, 2, 3, 4].map(() => fetch(`${url}/metrics`));
  await four;
  t.equal((await fetch(`${url}/metrics`)).status, 503, 'a fifth');
  t.equal((await fetch(`${url}/healthz`)).status, 200, 'health is another matter');
  waiting[0]!.reject(new Error('out of ink'));
  for (const { resolve } of waiting.slice(1)) resolve('fine');
  const answers = await Promise.all(scrapes);
  const said = await Promise.all(answers.map(async (answer) => `${answer.status} ${await answer.text()}`));
  t.same(said.sort(), ['200 fine', '200 fine', '200 fine', '500 the metrics cannot be read: out of ink\n']);

  const fifth = askedFor(5);
  const hanging = t.rejects(fetch(`${url}/metrics`));
  await fifth;
  await server.stop();
  await hanging;
});

t.test('an answer that is not read is given up', async (t) => {
  const body = 'x'.repeat(32 << 20); // more than the kernel keeps
  const registry = { contentType: 'text/plain', metrics: async () => body };
  const { port } = await serve(t, { registry, timeoutMilliseconds: 100 });
  // The other end of the connection, which lies in this process, too.
  const accepted = new Promise<Socket>((resolve) => {
    const listener = (message: unknown) => {
      unsubscribe('net.server.socket', listener);
      resolve((message as { socket: Socket }).socket);
    };
    subscribe('net.server.socket', listener);
  });
  const socket = connect(port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  socket.pause();
  socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(await accepted, 'close');
  let received = 0;
  socket.on('data', (octets) => {
    received += octets.length;
  });
  socket.on('error', () => {}); // a reset is one way to be closed
  socket.resume();
  await once(socket, 'close');
  t.ok(received < body.length);
});

t.test('who dawdles is cut off: in the request, in its size, and at stop', async (t) => {
  const { port, server } = await serve(t, { timeoutMilliseconds: 100 });
  const slow = await raw(t, port, 'GET /metrics HTTP/1.1\r\nHost: x');
  t.match(await slow.text, /^(HTTP\/1.1 408|$)/);
  const dripping = await raw(t, port, 'GET /metrics HTTP/1.1\r\nHost: x');
  const drip = setInterval(() => dripping.socket.write('x'), 20);
  t.teardown(() => clearInterval(drip));
  t.match(await dripping.text, /^(HTTP\/1.1 408|$)/, 'even if it never pauses');
  clearInterval(drip);
  const big = await raw(t, port, `GET /metrics HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(9_000)}\r\n\r\n`);
  t.match(await big.text, /^HTTP\/1.1 431/);

  const patient = await serve(t);
  const idle = await raw(t, patient.port, 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(idle.socket, 'data');
  await patient.server.stop();
  t.match(await idle.text, /^HTTP\/1.1 200/, 'a connection that is kept alive ends with stop');
  await server.stop();
  await server.stop();
});
