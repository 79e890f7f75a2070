/** Two routers against EC2 (moto_server), as processes: who owns which routes, and for how long nobody does. */
import t from 'tap';
import { Cloud, motoFor } from './cloud.ts';

t.setTimeout(240_000);
const moto = await motoFor(t);
const TAKEOVER_MILLISECONDS = 10_000;
/** So that a test takes seconds. */
const QUICK = ['--check-interval', '0.2', '--route-interval', '0.5'];
const ROUTES = ['--route', 'tag:weir=private 0.0.0.0/0'];

t.test('both at once share the tables by zone; one dies; it comes back', { timeout: 120_000 }, async (t) => {
  const cloud = await Cloud.start(t, moto);
  const [a, b] = cloud.places;
  const own = [a!.eni, b!.eni] as const;
  const routers = [cloud.router(t, 0, ...ROUTES), cloud.router(t, 1, ...ROUTES)];
  const settled = await cloud.untilTargets(...own);
  t.pass('each table leads to the router of its zone');
  t.same(
    cloud.proxy
      .done('ModifyNetworkInterfaceAttribute')
      .map(({ from }) => from)
      .sort(),
    [a!.address, b!.address],
    'each has turned the check of its own interface off, once',
  );
  t.same(await Promise.all(own.map((eni) => cloud.isChecked(eni))), [false, false]);

  // With the settings that Weir has by itself.
  await routers[1]!.program.said(`router ${a!.eni} in eu-west-1a is forwarding`);
  const died = performance.now();
  await routers[0]!.program.end('SIGKILL');
  const taken = await cloud.proxy.until('the takeover', () => cloud.proxy.done('ReplaceRoute', settled)[0]);
  const after = taken.at - died;
  t.ok(after < TAKEOVER_MILLISECONDS, `taken over ${Math.round(after)} ms after the death`);
  t.same(await cloud.targets(), [b!.eni, b!.eni]);

  const back = cloud.router(t, 0, ...ROUTES);
  await cloud.proxy.until('the hand-back', () => cloud.proxy.done('ReplaceRoute', settled).length === 2);
  t.same(await cloud.targets(), own, 'as before');
  t.equal(cloud.proxy.done('ReplaceRoute', settled)[1]!.from, b!.address, 'by who held it');
  await routers[1]!.program.said('handed a route back');

  // Asked to end, it gives its routes away first.
  await back.program.said(`router ${b!.eni} in eu-west-1b is forwarding`);
  const from = routers[1]!.program.log.length;
  t.equal((await back.program.end()).code, 0);
  t.same(await cloud.targets(), [b!.eni, b!.eni], 'SIGTERM: the peer has them');
  // The last one keeps them: there is nobody to take them.
  // It has ended a moment ago, and the last checks of it were good.
  t.equal((await routers[1]!.program.end()).code, 0);
  await routers[1]!.program.until('a last word', ({ log }) =>
    log.slice(from).some(({ msg }) => /^no other router is known to forward/.test(msg ?? '')),
  );
  t.same(await cloud.targets(), [b!.eni, b!.eni]);
  t.equal(cloud.proxy.done('CreateRoute').length, 2, 'nothing was done twice');
  t.equal(cloud.proxy.done('ReplaceRoute', settled).length, 3);
});

t.test('release and resume; failback by hand', { timeout: 60_000 }, async (t) => {
  const cloud = await Cloud.start(t, moto);
  const own = cloud.places.map(({ eni }) => eni) as [string, string];
  // Nothing comes back by itself, so each table is its own router's from the start.
  await cloud.createRoute(cloud.tables[0]!, '0.0.0.0/0', own[0]);
  await cloud.createRoute(cloud.tables[1]!, '0.0.0.0/0', own[1]);
  const flags = [...ROUTES, ...QUICK, '--failback', 'manual', '--fall', '50'];
  const [a, b] = [cloud.router(t, 0, ...flags), cloud.router(t, 1, ...flags)];
  await a.program.said(`router ${own[1]} in eu-west-1b is forwarding`);

  const released = await cloud.ask(0, a, 'release');
  t.match(released.stdout, /^released: no route leads here/);
  t.same(await cloud.targets(), [own[1], own[1]]);
  await b.program.said(`router ${own[0]} in eu-west-1a is released`);
  const { stdout: table } = await cloud.ask(1, b, 'status');
  t.match(table, new RegExp(`${own[1]} \\(this one\\) +eu-west-1b +forwarding`));
  t.match(table, new RegExp(`${own[0]} +eu-west-1a +released`));
  t.match(table, new RegExp(`${cloud.tables[0]} +0.0.0.0/0 +${own[1]} +${own[1]} +owned`));

  await cloud.ask(0, a, 'resume');
  await b.program.said(`router ${own[0]} in eu-west-1a is forwarding`, b.program.log.length - 1);
  const from = cloud.proxy.calls.length;
  await cloud.proxy.until('three readings', () => cloud.proxy.done('DescribeRouteTables', from).length >= 6);
  t.same(await cloud.targets(), [own[1], own[1]], 'manual: nothing moves by itself');
  await cloud.ask(1, b, 'release');
  t.same(await cloud.targets(), [own[0], own[0]], 'b gives them back');

  // Released or not, who has no peer keeps the routes.
  await b.program.end('SIGKILL');
  await a.program.said(`router ${own[1]} in eu-west-1b is failing`);
  const refused = await cloud.ask(0, a, 'release');
  t.equal(refused.code, 1);
  t.match(refused.stderr, 'no other router is known to forward');
  t.same(await cloud.targets(), [own[0], own[0]]);
});

t.test('tables that face each other move together', { timeout: 60_000 }, async (t) => {
  const cloud = await Cloud.start(t, moto);
  const own = cloud.places.map(({ eni }) => eni);
  const [first, second] = cloud.tables as [string, string];
  // From the clients of zone a to those of zone b, and back.
  const flags = [
    ...['--route', `${first} ${cloud.clientCidrs[1]}`, '--route', `${second} ${cloud.clientCidrs[0]}`],
    ...QUICK,
  ];
  const middle = () =>
    Promise.all([cloud.target(first, cloud.clientCidrs[1]), cloud.target(second, cloud.clientCidrs[0])]);
  const routers = [cloud.router(t, 0, ...flags), cloud.router(t, 1, ...flags)];
  await cloud.proxy.until('both routes', () => cloud.proxy.done('CreateRoute').length === 2);
  // The preferred one, whoever of the two that is: when each has seen the other, nothing moves any more.
  for (const [i, { program }] of routers.entries()) await program.said(`router ${own[1 - i]} in`);
  await cloud.proxy.until('quiet', () => {
    const last = cloud.proxy.done('ReplaceRoute').at(-1)?.at ?? 0;
    return (
      cloud.proxy.calls.filter(({ action, at }) => action === 'DescribeRouteTables' && at > last).length > 8
    );
  });
  const [owner, again] = await middle();
  t.equal(owner, again, 'one router has both ways');
  const holder = own.indexOf(owner!);
  const before = cloud.proxy.calls.length;
  await routers[holder]!.program.end('SIGKILL');
  await cloud.proxy.until('the takeover', () => cloud.proxy.done('ReplaceRoute', before).length === 2);
  t.same(await middle(), [own[1 - holder], own[1 - holder]], 'and both at once the other');
});
