/** Datagrams larger than the MTU, through the router: each side's fragments are one flow with its ports. */

import { test } from 'tap';
import { serve, traffic } from '../capture/live.ts';
import { hasProgram } from '../support/programs.ts';
import { conserves, labFor, noLiveCapture, received, server, total, WeirRun } from './program.ts';

const DATAGRAMS = 50;
/** 4008 octets of data in three packets. */
const IPV4_OCTETS = 4008 + 3 * 20;
const IPV6_OCTETS = 4008 + 3 * (40 + 8);

test('4000 octets of UDP and ping, fragmented', { skip: noLiveCapture, timeout: 60_000 }, async (t) => {
  const lab = await labFor(t);
  const { client, server: host } = lab.addresses;
  const { program: collector, port } = await server(lab.router, 'collector', '127.0.0.1', 0);
  const url = `ipfix://127.0.0.1:${port}`;
  const weir = await WeirRun.start(lab.router, ['to-client', 'to-server'], '-c', url);
  const udp4 = await serve(lab.server, 'udp-echo', host.ipv4);
  const udp6 = await serve(lab.server, 'udp-echo', host.ipv6);
  await traffic(lab.client, 'udp-send', host.ipv4, udp4, DATAGRAMS, 4000);
  await traffic(lab.client, 'udp-send', host.ipv6, udp6, DATAGRAMS, 4000);
  const canPing = hasProgram('ping');
  if (canPing) {
    for (const address of [host.ipv4, host.ipv6]) {
      await lab.client.run(['ping', '-n', '-q', '-c', '5', '-i', '0.01', '-s', '4000', address]);
    }
  }
  const metrics = await weir.metrics();
  conserves(t, metrics, [url]);
  const fragments = (4 * DATAGRAMS + (canPing ? 20 : 0)) * 3;
  t.equal(metrics.sum('weir_fragments_total'), fragments);
  t.equal(metrics.sum('weir_fragments_unmatched_total'), 0);
  t.equal(metrics.sum('weir_fragments_overlapping_total'), 0);
  t.equal(metrics.sum('weir_fragments_waiting_packets'), 0);
  t.equal((await weir.end()).code, 0);
  await collector.end();

  const records = received(collector).map(({ record }) => record);
  const expected = (count: number, octets: number) => ({ packets: 3 * count, octets: count * octets });
  for (const [pattern, count, octets] of [
    [{ sourceIPv4Address: client.ipv4, destinationTransportPort: udp4 }, DATAGRAMS, IPV4_OCTETS],
    [{ sourceIPv4Address: host.ipv4, sourceTransportPort: udp4 }, DATAGRAMS, IPV4_OCTETS],
    [{ sourceIPv6Address: client.ipv6, destinationTransportPort: udp6 }, DATAGRAMS, IPV6_OCTETS],
    [{ sourceIPv6Address: host.ipv6, sourceTransportPort: udp6 }, DATAGRAMS, IPV6_OCTETS],
  ] as const) {
    t.same(total(records, pattern), expected(count, octets));
  }
  t.equal(total(records, { protocolIdentifier: 17 }).packets, 4 * DATAGRAMS * 3, 'no other UDP flows');
  if (!canPing) return;
  const ping = { protocolIdentifier: 1, sourceIPv4Address: client.ipv4, icmpTypeCodeIPv4: 0x0800 };
  t.same(total(records, ping), expected(5, IPV4_OCTETS));
  const ping6 = { protocolIdentifier: 58, sourceIPv6Address: client.ipv6, icmpTypeCodeIPv6: 0x8000 };
  t.same(total(records, ping6), expected(5, IPV6_OCTETS));
});
