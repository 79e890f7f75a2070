/** A path that takes smaller datagrams than were configured: a router says so, or the interface is known to. */
import { type Test, test } from 'tap';
import type { Lab } from '../../src/cli/demo/lab.ts';
import { conserves, labFor, type Metrics, noLiveCapture, once, server, WeirRun } from './program.ts';

const MTU = 1280;
const FLOWS = 2_000;

/** Fragments that a namespace has made, and those that it has put together. */
async function fragments(lab: Lab, version: 4 | 6): Promise<{ made: number; assembled: number }> {
  const count = async (text: Promise<string>, name: string) => {
    if (version === 6) return Number(new RegExp(`^Ip6${name}\\s+(\\d+)$`, 'm').exec(await text)?.[1]);
    const [names, values] = [...(await text).matchAll(/^Ip: (.*)$/gm)].map((match) => match[1]!.split(' '));
    return Number(values![names!.indexOf(name)]);
  };
  const file = version === 4 ? '/proc/net/snmp' : '/proc/net/snmp6';
  return {
    made: await count(lab.client.run(['cat', file]), 'FragCreates'),
    assembled: await count(lab.server.run(['cat', file]), 'ReasmOKs'),
  };
}

async function burst(lab: Lab, weir: WeirRun, url: string): Promise<Metrics> {
  const before = (await weir.metrics()).sum('weir_metered_packets_total');
  await once(lab.client, 'udp-flows', lab.addresses.server.ipv4, 2048, FLOWS / 2, 2);
  // Of the very first the kernel drops some, before they are on any wire, while it looks for the neighbour.
  return weir.metricsUntil(
    'all records have left',
    (metrics) =>
      metrics.sum('weir_metered_packets_total') > before + FLOWS / 2 &&
      metrics.sum('weir_flow_table_packets') === 0 &&
      metrics.sum('weir_collector_queued_records', { collector: url }) === 0,
  );
}

async function start(t: Test, version: 4 | 6, narrow: (lab: Lab) => Promise<unknown>) {
  const lab = await labFor(t);
  await narrow(lab);
  const host = version === 4 ? lab.addresses.server.ipv4 : lab.addresses.server.ipv6;
  const collector = await server(lab.server, 'collector', host, 0, 'quiet');
  const url = `ipfix://${version === 4 ? host : `[${host}]`}:${collector.port}`;
  const flags = ['--direction', 'egress', '--filter', 'udp dst portrange 2048-4000', '--idle-timeout', '0.2'];
  const weir = await WeirRun.start(lab.client, ['eth0'], ...flags, '-c', url);
  return { lab, collector: collector.program, url, weir };
}

for (const version of [4, 6] as const) {
  test(`IPv${version}: a router has no room for what it should forward`, {
    skip: noLiveCapture,
    timeout: 60_000,
  }, async (t) => {
    const { lab, collector, url, weir } = await start(t, version, (lab) =>
      Promise.all([
        lab.router.run(['ip', 'link', 'set', 'to-server', 'mtu', String(MTU)]),
        lab.server.run(['ip', 'link', 'set', 'eth0', 'mtu', String(MTU)]),
      ]),
    );
    conserves(t, await burst(lab, weir, url), [url]);
    const said = await weir.said('the path to');
    t.match(said.msg, new RegExp(`takes ${MTU} octets, not 1500: .*configure mtu=${MTU}$`));

    const before = await fragments(lab, version);
    const metrics = await burst(lab, weir, url);
    conserves(t, metrics, [url]);
    t.equal((await fragments(lab, version)).made, before.made, 'from then on nothing travels in fragments');
    t.equal((await weir.end()).code, 0);
    await collector.end();
    const { v10, lostRecords } = collector.lines.at(-1) as {
      v10?: { records: number };
      lostRecords?: number;
    };
    t.ok(lostRecords! < 100, `the router has dropped ${lostRecords} records before it said so`);
    const { records } = weir.log.find(({ msg }) => msg === 'metered')!;
    t.equal(v10!.records + lostRecords!, records, 'and the collector has got the others');
  });
}

test('the interface towards the collector is narrow from the start', {
  skip: noLiveCapture,
  timeout: 60_000,
}, async (t) => {
  const { lab, collector, url, weir } = await start(t, 4, (lab) =>
    Promise.all([
      lab.client.run(['ip', 'link', 'set', 'eth0', 'mtu', String(MTU)]),
      lab.router.run(['ip', 'link', 'set', 'to-client', 'mtu', String(MTU)]),
    ]),
  );
  await weir.said('the path to');
  await burst(lab, weir, url);
  t.equal((await fragments(lab, 4)).made, 0, 'nothing travels in fragments');
  t.equal((await weir.end()).code, 0);
  await collector.end();
  const { records } = weir.log.find(({ msg }) => msg === 'metered')!;
  t.match(collector.lines.at(-1), { v10: { records }, lostRecords: 0 });
});
