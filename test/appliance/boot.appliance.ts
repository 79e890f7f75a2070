import t from 'tap';
import { serve, traffic } from '../capture/live.ts';
import { tell } from './imds.ts';
import { Vm } from './vm.ts';
import { layWire } from './wire.ts';

t.test('boots', { timeout: 600_000 }, async (t) => {
  const wire = await layWire(t);
  const { lab, imds } = wire;
  tell(imds, { userData: `#cloud-config\nwrite_files:\n  - path: /etc/weir/weir.yaml\n    content: |\n      interface: [ens5, ens6]\n      metrics: 0.0.0.0:9469\n` });
  const from = performance.now();
  const vm = await Vm.start(t, wire, 2);
  try { await vm.booted(); } catch (e) { console.error(vm.console().slice(-3000)); throw e; }
  console.error('shell', performance.now() - from);
  const port = await serve(lab.server, 'udp-echo', lab.addresses.server.ipv4);
  for (;;) {
    try { await lab.client.run(['ping', '-c', '1', '-W', '1', lab.addresses.server.ipv4]); break; } catch {}
    if (performance.now() - from > 300_000) break;
  }
  console.error('ping', performance.now() - from);
  await traffic(lab.client, 'udp-send', lab.addresses.server.ipv4, port, 10, 100).catch((e) => console.error(e.message));
  for (const line of ['systemctl is-system-running --wait', 'systemctl --failed --no-legend', 'ip -br a', 'ip r; ip -6 r', 'cat /etc/weir/weir.yaml', 'systemctl status weir weir-router --no-pager -l', 'systemd-analyze blame | head -20', 'systemd-analyze critical-chain weir.service', 'curl -s localhost:9469/readyz'])
    console.error('$', line, '\n', (await vm.shell.run(line, 200_000)).output);
  console.error(performance.now() - from);
  console.error(imds.lines.slice(0, 50).map((l) => JSON.stringify(l)).join('\n'));
});
