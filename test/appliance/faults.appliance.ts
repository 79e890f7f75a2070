/** The appliance's root with its real units, in systemd-nspawn, and what may go wrong with it, one thing after the other. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Test, test } from 'tap';
import { Container } from './container.ts';
import { tell } from './imds.ts';
import { noContainer } from './needs.ts';
import { Site } from './site.ts';

const BOUND = 120_000;
const options = { skip: noContainer, timeout: 600_000 };

async function startWith(t: Test): Promise<{ site: Site; box: Container }> {
  const site = await Site.open(t);
  const box = await Container.start(t, site.wire, site.files);
  await site.forwards(BOUND);
  await site.meters(BOUND);
  await site.routed(BOUND);
  return { site, box };
}

const mainPid = async (box: Container, unit: string) =>
  (await box.run(['systemctl', 'show', '--property=MainPID', '--value', unit])).output.trim();

test(
  'an interface that comes 20 s late, while the metadata service answers 503 for 30 s',
  options,
  async (t) => {
    const site = await Site.open(t);
    tell(site.wire.imds, { status: 503 });
    const box = await Container.start(t, site.wire, site.files, 1);
    await delay(20_000);
    await box.plugIn(1);
    const took = await site.forwards(BOUND);
    t.ok(
      took < 10_000,
      `the kernel forwards ${Math.round(took)} ms after the interface came, whatever the metadata`,
    );
    t.match(
      (await box.run(['journalctl', '-u', 'weir-router', '--no-pager'])).output,
      /waiting for .*metadata/,
      'the router says what it waits for',
    );
    await delay(10_000);
    tell(site.wire.imds, { status: 200 });
    await site.routed(BOUND);
    await site.meters(BOUND);
    await box.until('both run', ['systemctl', 'is-active', 'weir', 'weir-router'], ({ code }) => code === 0);
  },
);

test('SIGKILL of each service', options, async (t) => {
  const { site, box } = await startWith(t);
  for (const unit of ['weir', 'weir-router']) {
    const { sent, lost } = await site.lostDuring(async () => {
      const before = await mainPid(box, unit);
      t.equal((await box.run(['systemctl', 'kill', '--signal=KILL', unit])).code, 0);
      await box.until(
        `${unit} is back`,
        ['systemctl', 'show', '--property=MainPID,ActiveState', unit],
        ({ output }) => /ActiveState=active/.test(output) && !output.includes(`MainPID=${before}\n`),
        BOUND,
      );
      await site.meters(BOUND);
      await site.routed(BOUND);
    });
    t.equal(lost, 0, `${unit}: of ${sent} pings none is lost`);
  }
  t.match((await box.run(['journalctl', '-u', 'weir', '--no-pager'])).output, /did not end cleanly/);
});

test('a mistake in weir.yaml', options, async (t) => {
  const { site, box } = await startWith(t);
  const write = (text: string) => box.run(['sh', '-c', 'printf %s "$1" >/etc/weir/weir.yaml', 'sh', text]);
  const broken = site.configuration().replace('active-timeout: 2', 'active-timeuot: 2');
  const before = await mainPid(box, 'weir');
  const { sent, lost } = await site.lostDuring(async () => {
    await write(broken);
    await box.until('the reload is refused', ['systemctl', 'status', '--no-pager', 'weir'], ({ output }) =>
      /active-timeuot/.test(output),
    );
    await box.until(
      'what runs goes on',
      ['systemctl', 'is-active', 'weir'],
      ({ output }) => output.trim() === 'active',
    );
    t.equal(await mainPid(box, 'weir'), before, 'the same process');
    await site.meters(BOUND);

    await box.run(['systemctl', 'restart', 'weir', 'weir-router']);
    const status = await box.until(
      'weir has failed',
      ['systemctl', 'status', '--no-pager', '--full', 'weir'],
      ({ output }) => /Active: failed/.test(output),
    );
    t.match(
      status.output,
      /weir\.yaml:2.*active-timeuot.*active-timeout/s,
      'the status names line and nearest name',
    );
    await box.until(
      'the router routes',
      ['systemctl', 'is-active', 'weir-router'],
      ({ output }) => output.trim() === 'active',
    );
    await site.routed(BOUND);
    t.match(box.console(), /active-timeuot/, 'the console shows it');

    await write(site.configuration());
    await box.until(
      'weir is back by itself',
      ['systemctl', 'is-active', 'weir'],
      ({ code }) => code === 0,
      BOUND,
    );
    await site.meters(BOUND);
  });
  t.equal(lost, 0, `of ${sent} pings none is lost`);
});

test('the collector is away', options, async (t) => {
  const { site, box } = await startWith(t);
  const { sent, lost } = await site.lostDuring(async () => {
    await site.endCollector();
    await delay(5000);
    await site.routed(BOUND);
    t.equal((await box.run(['systemctl', 'is-active', 'weir', 'weir-router'])).code, 0);
    await site.startCollector();
    await site.meters(BOUND);
  });
  t.equal(lost, 0, `of ${sent} pings none is lost`);
});

test('restarts of what the router stands on', options, async (t) => {
  const { site, box } = await startWith(t);
  const { sent, lost } = await site.lostDuring(async () => {
    for (const unit of ['systemd-networkd', 'nftables', 'systemd-sysctl', 'systemd-resolved']) {
      const { code, output } = await box.run(['systemctl', 'restart', unit]);
      t.equal(code, 0, `${unit} ${output}`);
    }
    await delay(3000);
    await site.meters(BOUND);
    await site.routed(BOUND);
  });
  t.equal(lost, 0, `of ${sent} pings none is lost`);
  const rules = await box.run(['nft', 'list', 'ruleset']);
  t.notMatch(rules.output, /\bct\b|masquerade/, 'no rule asks for connection tracking');
});

test('the confined router may do its work: settings that others change, and NAT', options, async (t) => {
  const site = await Site.open(t);
  const files = { ...site.files, '/etc/weir/weir.yaml': `${site.configuration()}  nat: true\n` };
  const box = await Container.start(t, site.wire, files);
  await site.forwards(BOUND);
  await box.until(
    'the rules of NAT are loaded',
    ['nft', 'list', 'table', 'inet', 'weir_router'],
    ({ output }) => output.includes('masquerade'),
    BOUND,
  );
  const setting = '/proc/sys/net/ipv4/conf/all/send_redirects';
  await box.run(['sh', '-c', `echo 1 >${setting}`]);
  await box.until(
    'the setting is right again',
    ['cat', setting],
    ({ output }) => output.trim() === '0',
    BOUND,
  );
  await site.meters(BOUND);
});
