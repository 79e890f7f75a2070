/** What the routes say of flows: looked up once a flow, and again only where the routes have changed since. */

import t from 'tap';
import type { FlowRecord } from '../../src/flow/flow-record.ts';
import type { Route, RouteLookup } from '../../src/flow/route.ts';
import { MeterRig } from './meter-rig.ts';

/** Answers with what it was asked, and keeps count. */
class CountingRoutes implements RouteLookup {
  generation = 0;
  readonly asked: string[] = [];
  answer: Route = {
    egressInterface: 0xfffffffe,
    nextHop: Int32Array.of(0x04030201, 0x08070605, 0x0c0b0a09, 0x100f0e0d),
    sourcePrefixLength: 24,
    destinationPrefixLength: 128,
  };

  lookup(words: Int32Array, at: number, ipVersion: 4 | 6): Route {
    const octets = new Uint8Array(words.slice(at, at + (ipVersion === 4 ? 2 : 8)).buffer);
    this.asked.push(octets.join('.'));
    return this.answer;
  }
}

/** A rig whose records keep their routes. */
function rigWith(routes: RouteLookup, fields: 'standard' | 'full' = 'standard') {
  const seen: Record<string, number | string>[] = [];
  const rig = new MeterRig(
    { routes, fields, activeTimeoutMilliseconds: 1000 },
    ({ layout, view, offset }: FlowRecord) => {
      const at = (name: string) => offset + layout.fields.get(name)!.offset;
      const { ipVersion } = layout;
      const hop = layout.fields.get(`ipNextHopIPv${ipVersion}Address`)!;
      seen.push({
        egress: view.getUint32(at('egressInterface'), true),
        hop: Array.from({ length: hop.size }, (_, i) => view.getUint8(offset + hop.offset + i)).join('.'),
        source: view.getUint8(at(`sourceIPv${ipVersion}PrefixLength`)),
        destination: view.getUint8(at(`destinationIPv${ipVersion}PrefixLength`)),
      });
    },
  );
  return { rig, seen };
}

const FIRST = { egress: 0xfffffffe, source: 24, destination: 128 };

for (const fields of ['standard', 'full'] as const) {
  t.test(`both IP versions, ${fields} fields`, async (t) => {
    const routes = new CountingRoutes();
    const { rig, seen } = rigWith(routes, fields);
    rig.packet(0, { source: '10.0.0.1', destination: '192.0.2.9' });
    rig.packet(1, { source: '2001:db8::1', destination: 'fd00::2', flowLabel: 5 });
    rig.packet(2, { source: '10.0.0.1', destination: '192.0.2.9' });
    rig.meter.endAll();
    t.same(routes.asked, [
      '10.0.0.1.192.0.2.9',
      '32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.1.253.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2',
    ]);
    t.same(seen, [
      { ...FIRST, hop: '1.2.3.4' },
      { ...FIRST, hop: '1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16' },
    ]);
  });
}

t.test(
  'once a flow, however many records; again when the routes have changed and a record opens',
  async (t) => {
    const routes = new CountingRoutes();
    const { rig, seen } = rigWith(routes);
    for (const at of [0, 500, 1000, 2500, 4000]) rig.packet(at);
    t.equal(routes.asked.length, 1, 'four records of one flow');
    routes.answer = {
      ...routes.answer,
      egressInterface: 7,
      sourcePrefixLength: 0,
      destinationPrefixLength: 0,
    };
    routes.generation = 65_535;
    rig.packet(4500);
    t.equal(routes.asked.length, 1, 'a record keeps what it began with');
    rig.packet(6000);
    rig.packet(7500);
    t.equal(routes.asked.length, 2);
    routes.generation = 0;
    rig.packet(9000);
    t.equal(routes.asked.length, 3, 'the generations go round');
    rig.packet(30_000);
    t.equal(routes.asked.length, 4, 'a new flow of the same key');
    rig.meter.endAll();
    t.same(
      seen.map(({ egress }) => egress),
      [0xfffffffe, 0xfffffffe, 0xfffffffe, 7, 7, 7, 7],
    );
  },
);

t.test('without routes a record has no room for them', async (t) => {
  const { meter } = new MeterRig();
  for (const { layout } of meter.tables) t.notOk(layout.fields.has('egressInterface'));
});
