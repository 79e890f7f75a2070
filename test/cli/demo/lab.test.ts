import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { test } from 'tap';
import { createLab, labProblem } from '../../../src/cli/demo/lab.ts';

const problem = labProblem();
const skip = problem === undefined ? false : `no network namespaces: ${problem}`;

/** Namespaces that this very process has left. */
const left = () => readdirSync('/run/netns').filter((name) => name.includes(`-${process.pid}-`));

test('a packet reaches the server through the router, over IPv4 and IPv6, as soon as the lab stands', {
  skip,
}, async (t) => {
  const lab = await createLab({ prefix: 'weir-test' });
  t.teardown(() => lab.close());
  const echo = `require('node:net').createServer((s) => s.end(s.remoteAddress))
    .listen(0, '::', function () { console.log(this.address().port) })`;
  const server = lab.server.spawn([process.execPath, '-e', echo]);
  const [line] = (await once(server.stdout, 'data')) as [Buffer];
  const port = String(Number(line));
  const ask = (host: string) => [
    process.execPath,
    '-e',
    `require('node:net').connect(${port}, '${host}').pipe(process.stdout)`,
  ];
  t.equal(await lab.client.run(ask(lab.addresses.server.ipv4)), `::ffff:${lab.addresses.client.ipv4}`);
  t.equal(await lab.client.run(ask(lab.addresses.server.ipv6)), lab.addresses.client.ipv6);
});

test('close ends what runs inside, children of children too, and leaves nothing behind', {
  skip,
  timeout: 10_000,
}, async (t) => {
  const lab = await createLab();
  t.teardown(() => lab.close());
  t.equal(left().length, 3);
  const nested = `require('node:child_process').spawn('sleep', ['600'], { detached: true, stdio: 'inherit' });
    console.log('up'); setInterval(() => {}, 1000)`;
  const parent = lab.router.spawn([process.execPath, '-e', nested]);
  await once(parent.stdout, 'data');
  // The pipe closes when the last process that holds it has ended: the grandchild.
  const closed = once(parent, 'close');
  await lab.close();
  await lab.close();
  t.same(left(), []);
  t.equal(parent.signalCode, 'SIGKILL');
  await closed;
});

test('a lab that cannot be made leaves nothing behind and says which command failed', { skip }, async (t) => {
  await t.rejects(createLab({ prefix: 'no/such' }), { message: /ip netns add no\/such/ });
  t.same(left(), []);
});

test('a command that fails rejects with its own words', { skip }, async (t) => {
  const lab = await createLab();
  t.teardown(() => lab.close());
  await t.rejects(lab.client.run(['ip', 'link', 'show', 'nowhere0']), { message: /nowhere0/ });
});
