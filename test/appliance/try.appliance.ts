import t from 'tap';
import { serve, traffic } from '../capture/live.ts';
import { Container } from './container.ts';
import { layWire } from './wire.ts';

t.test('boots', { timeout: 600_000 }, async (t) => {
  const wire = await layWire(t);
  const { lab } = wire;
  const from = performance.now();
  const box = await Container.start(t, wire, { '/etc/weir/weir.yaml': 'interface: [ens5, ens6]\nmetrics: 0.0.0.0:9469\n' });
  console.error('booted', performance.now() - from);
  const port = await serve(lab.server, 'udp-echo', lab.addresses.server.ipv4);
  for (;;) {
    try { await lab.client.run(['ping', '-c', '1', '-W', '1', lab.addresses.server.ipv4]); break; } catch {}
    if (performance.now() - from > 30_000) break;
  }
  console.error('ping', performance.now() - from);
  await traffic(lab.client, 'udp-send', lab.addresses.server.ipv4, port, 10, 100).catch((e) => console.error(e.message));
  for (const line of ['systemctl --failed --no-legend', 'ip -br a', 'ip r; ip -6 r', 'systemctl status weir weir-router --no-pager -l', 'sleep 20; weir router status', 'systemctl status weir-router --no-pager -l', 'curl -s localhost:9469/readyz', 'nft list ruleset', 'sysctl net.ipv4.ip_forward', 'cat /proc/sys/net/ipv4/ip_forward', 'journalctl --no-pager -b | tail -20'])
    console.error('$', line, '\n', (await box.run(['sh', '-c', line])).output);
  console.error(performance.now() - from);
  await box.end();
});
