/** The disk that appliance/build-image has made, in QEMU: its own kernel and drivers, an interface plugged in, a reboot. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Test, test } from 'tap';
import type { LabNamespace } from '../../src/cli/demo/lab.ts';
import { serve, traffic } from '../capture/live.ts';
import { tell } from './imds.ts';
import { noVm } from './needs.ts';
import { run } from './process.ts';
import { Site } from './site.ts';
import { Vm } from './vm.ts';
import { PATIENCE_MILLISECONDS } from './wire.ts';

const NFCAPD_PORT = 2055;

interface Sum {
  packets: number;
  octets: number;
}

/** What one namespace sends to one port, or from it, as its own kernel counts it. */
class Counter {
  readonly #namespace: LabNamespace;

  private constructor(namespace: LabNamespace) {
    this.#namespace = namespace;
  }

  /** @param match in nft's language */
  static async start(namespace: LabNamespace, match: readonly string[]): Promise<Counter> {
    // TCP hands over one segment at a time, so that the rules see what the wire does.
    await namespace.run(['ip', 'link', 'set', 'eth0', 'gso_max_segs', '1']);
    const rules = match.map((rule) => `${rule} counter name sent;`).join(' ');
    await namespace.run([
      'nft',
      `table inet count {
         counter sent { }
         chain output { type filter hook output priority 0; ${rules} }
       }`,
    ]);
    return new Counter(namespace);
  }

  async read(): Promise<Sum> {
    const text = await this.#namespace.run(['nft', '-j', 'list', 'counters', 'table', 'inet', 'count']);
    const { nftables } = JSON.parse(text) as { nftables: { counter?: { packets: number; bytes: number } }[] };
    const { packets = 0, bytes = 0 } = nftables.find(({ counter }) => counter !== undefined)?.counter ?? {};
    return { packets, octets: bytes };
  }
}

/** nfcapd at the server; `sums` ends it and adds up what it has from the client, and from the server. */
async function startNfcapd(t: Test, site: Site): Promise<{ sums(ports: readonly number[]): Promise<Sum[]> }> {
  const { lab, folder } = site.wire;
  const flows = join(folder, 'nfcapd');
  mkdirSync(flows);
  const { server, addresses } = lab;
  const args = ['-w', flows, '-p', `${NFCAPD_PORT}`, '-b', addresses.server.ipv4, '-B', '4000000'];
  const child = server.spawn(['nfcapd', ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  const closed = new Promise((resolve) => child.once('close', resolve));
  await new Promise<void>((resolve, reject) => {
    child.stderr!.on('data', (text: Buffer) => text.includes('Startup nfcapd') && resolve());
    child.once('close', () => reject(new Error('nfcapd ended')));
  });
  t.teardown(() => child.kill('SIGKILL'));
  return {
    async sums(ports) {
      child.kill('SIGTERM');
      await closed;
      const { output } = await run(['nfdump', '-R', flows, '-q', '-o', 'raw']);
      // A paragraph of lines `name = value` a record.
      const records = output.split('Flow Record:').slice(1);
      return ['dst port', 'src port'].map((end) => {
        const sum = { packets: 0, octets: 0 };
        for (const record of records) {
          const value = (name: string) => Number(new RegExp(`^ +${name} *= *(\\d+)`, 'm').exec(record)?.[1]);
          if (!ports.includes(value(end))) continue;
          sum.packets += value('in packets');
          sum.octets += value('in bytes');
        }
        return sum;
      });
    },
  };
}

test('the disk boots, routes and measures, whatever comes late, and again after a reboot', {
  skip: noVm,
  timeout: 1_100_000,
}, async (t) => {
  const site = await Site.open(t);
  const { lab, imds } = site.wire;
  const { client, server, addresses } = lab;
  const nfcapd = await startNfcapd(t, site);
  const collectors = [`netflow9://${addresses.server.ipv4}:${NFCAPD_PORT}`];
  tell(imds, { status: 503 });
  const files = { ...site.files, '/etc/weir/weir.yaml': site.configuration({ collectors }) };
  const vm = await Vm.start(t, site.wire, files, 1);
  const from = performance.now();
  const at = (what: string) => t.comment(`${what} after ${Math.round((performance.now() - from) / 1000)} s`);
  await vm.booted();
  at('a shell');

  await delay(20_000);
  await vm.plugIn();
  t.ok((await site.forwards(PATIENCE_MILLISECONDS)) < PATIENCE_MILLISECONDS, 'forwards, without metadata');
  at('forwarding');
  await delay(10_000);
  tell(imds, { status: 200 });
  await site.routed(PATIENCE_MILLISECONDS);
  at('the route of the VPC leads here');
  await site.meters(PATIENCE_MILLISECONDS);
  at('records at the collector');

  const tcp = await serve(server, 'tcp-sink', addresses.server.ipv4);
  const udp = await serve(server, 'udp-echo', addresses.server.ipv4);
  const udp6 = await serve(server, 'udp-echo', addresses.server.ipv6);
  const ports = [`tcp PORT ${tcp}`, `udp PORT ${udp}`, `udp PORT ${udp6}`];
  const forth = await Counter.start(
    client,
    ports.map((port) => port.replace('PORT', 'dport')),
  );
  const back = await Counter.start(
    server,
    ports.map((port) => port.replace('PORT', 'sport')),
  );
  await traffic(client, 'udp-send', addresses.server.ipv4, udp, 200, 1000);
  await traffic(client, 'udp-send', addresses.server.ipv6, udp6, 200, 1000);
  await traffic(client, 'tcp-send', addresses.server.ipv4, tcp, 3_000_000);
  // What began later has been told: so has that.
  await site.meters(PATIENCE_MILLISECONDS);
  await delay(2000);
  const sent = [await forth.read(), await back.read()];
  t.ok(sent[0]!.octets > 3_400_000 && sent[1]!.packets > 400, `sent: ${JSON.stringify(sent)}`);
  t.same(await nfcapd.sums([tcp, udp, udp6]), sent, 'nfcapd has what client and server sent, to the octet');

  await vm.reboot();
  at('a shell again');
  await site.forwards(PATIENCE_MILLISECONDS);
  await site.meters(PATIENCE_MILLISECONDS);
  await site.routed(PATIENCE_MILLISECONDS);
  at('all as before');

  for (const unit of ['weir', 'weir-router']) {
    const { lost } = await site.lostDuring(async () => {
      t.equal((await vm.shell.run(`systemctl kill --signal=KILL ${unit}`)).status, 0);
      await site.meters(PATIENCE_MILLISECONDS);
    });
    t.equal(lost, 0, `SIGKILL of ${unit}: no ping is lost`);
  }
  const { output } = await vm.shell.run(
    'until [ "$(systemctl is-active weir weir-router | sort -u)" = active ]; do sleep 1; done; lsmod; uname -r',
    PATIENCE_MILLISECONDS,
  );
  t.match(output, /^[\d.]+\S*cloud/m, "both services run, on Debian's kernel for clouds");
  t.notMatch(output, /nf_conntrack/, 'no connection tracking is loaded');
  at('the end');
});

test('user data writes weir.yaml, by cloud-init and IMDSv2', {
  skip: noVm,
  timeout: 1_100_000,
}, async (t) => {
  const site = await Site.open(t);
  const { imds } = site.wire;
  const { '/etc/weir/weir.yaml': configuration = '', ...files } = site.files;
  const content = Buffer.from(configuration).toString('base64');
  const entry = `path: /etc/weir/weir.yaml\n    encoding: b64\n    content: ${content}`;
  tell(imds, { userData: `#cloud-config\nwrite_files:\n  - ${entry}\n` });
  const vm = await Vm.start(t, site.wire, files);
  await vm.booted();
  await site.forwards(2 * PATIENCE_MILLISECONDS);
  await site.meters(2 * PATIENCE_MILLISECONDS);
  await site.routed(PATIENCE_MILLISECONDS);
  t.equal((await vm.shell.run('cat /etc/weir/weir.yaml')).output, configuration);
  t.notOk(
    imds.lines.some(({ status }) => status === 401),
    'nobody asks without a token',
  );
});
