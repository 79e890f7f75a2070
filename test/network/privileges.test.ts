/** Weir as an ordinary user with CAP_NET_RAW alone: it captures, goes on, and passes nothing on. */
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Test, test } from 'tap';
import { serve, traffic } from '../capture/live.ts';
import { hasProgram } from '../support/programs.ts';
import {
  asNobody,
  conserves,
  labFor,
  noLiveCapture,
  Program,
  received,
  remakeToClient,
  server,
  total,
  WeirRun,
} from './program.ts';

const UDP = 17;
const SIDES = ['to-client', 'to-server'];
const live = { skip: noLiveCapture || (!hasProgram('setpriv') && 'there is no setpriv'), timeout: 60_000 };

test('CAP_NET_RAW alone, and an interface that is deleted and made again', live, async (t) => {
  const lab = await labFor(t);
  const host = lab.addresses.server.ipv4;
  const port = await serve(lab.server, 'udp-echo', host);
  const { program: collector, port: to } = await server(lab.router, 'collector', '127.0.0.1', 0);
  const url = `ipfix://127.0.0.1:${to}`;
  const weir = await WeirRun.startBy(asNobody('+net_raw'), lab.router, SIDES, '-c', url);
  const send = () => traffic(lab.client, 'udp-send', host, port, 25, 100);
  await send();
  await remakeToClient(lab);
  await weir.said('to-client is back');
  await send();
  conserves(t, await weir.metrics(), [url]);

  t.equal((await weir.end()).code, 0);
  await collector.end();
  const records = received(collector).map(({ record }) => record);
  t.same(
    total(records, { protocolIdentifier: UDP, destinationTransportPort: port }),
    { packets: 50, octets: 50 * 128 },
    'as many as were sent, before and after',
  );
  t.same(
    weir.log.filter(({ msg }) => /root|rights/.test(msg ?? '')),
    [],
    'of its rights there is nothing to say',
  );
});

test('root, and more rights than it takes, are said in one line', live, async (t) => {
  const lab = await labFor(t);
  const root = await WeirRun.start(lab.router, SIDES, '--json');
  const rich = await WeirRun.startBy(
    asNobody('+net_raw', '+net_admin', '+sys_admin'),
    lab.router,
    SIDES,
    '--json',
  );
  const [ofRoot, ofRich] = [root, rich].map(({ log }) => log.filter(({ msg }) => msg?.startsWith('Weir ')));
  t.match(ofRoot, [
    { level: 'info', msg: /runs as root; CAP_NET_RAW alone/, hint: /^sudo setpriv --reuid=USER / },
  ]);
  t.equal(ofRoot!.length, 1);
  t.match(ofRich, [{ level: 'warn', msg: /more rights than it needs: CAP_NET_ADMIN, CAP_SYS_ADMIN;/ }]);
  t.equal(ofRich!.length, 1);
  // A container's root, for instance.
  const bare = ['setpriv', '--bounding-set=-all,+net_raw'];
  const poor = await WeirRun.startBy(bare, lab.router, SIDES, '--json');
  t.match(
    poor.log.find(({ level }) => level === 'warn'),
    { msg: /^without CAP_SETPCAP root cannot keep its rights to itself/ },
  );
  t.same([(await root.end()).code, (await rich.end()).code, (await poor.end()).code], [0, 0, 0]);
});

test('without the capability Weir says which, and how to get it', live, async (t) => {
  const lab = await labFor(t);
  const starting = WeirRun.startBy(asNobody(), lab.router, SIDES, '--json');
  await t.rejects(starting, {
    message: /Not permitted to capture on to-client: that needs the capability CAP_NET_RAW/,
  });
  await t.rejects(starting, { message: /setpriv --reuid=USER .*--ambient-caps=-all,\+net_raw/ });
});

/** A folder whose `tcpdump` writes down its capabilities before it becomes the real one. */
function listeningTcpdump(t: Test): { path: string; sets: () => string[] } {
  // The test runner's own folders may be closed to nobody.
  const folder = join(tmpdir(), `weir-privileges-${process.pid}`);
  mkdirSync(folder);
  t.teardown(() => rmSync(folder, { recursive: true }));
  const [program, notes] = [join(folder, 'tcpdump'), join(folder, 'notes')];
  const { PATH } = process.env;
  writeFileSync(notes, '');
  chmodSync(notes, 0o666);
  writeFileSync(
    program,
    `#!/bin/sh\ngrep '^Cap' /proc/self/status | tr -s '\\t\\n' ' ' >> ${notes}\necho >> ${notes}\nPATH=${PATH} exec tcpdump "$@"\n`,
  );
  chmodSync(program, 0o755);
  return {
    path: `${folder}:${PATH}`,
    sets: () =>
      readFileSync(notes, 'utf8')
        .trim()
        .split('\n')
        .map((line) => line.replaceAll(/Cap(...): 0*(?=[0-9a-f])/g, '$1 ').trim()),
  };
}

test('a child inherits no capability', {
  ...live,
  skip: live.skip || (!hasProgram('tcpdump') && 'there is no tcpdump to start'),
}, async (t) => {
  const lab = await labFor(t);
  for (const launcher of [asNobody('+net_raw'), []]) {
    const who = launcher.length === 0 ? 'root' : 'nobody';
    await t.test(who, async (t) => {
      const { path, sets } = listeningTcpdump(t);
      const by = [...launcher, 'env', `PATH=${path}`];
      const start = (filter: string) =>
        WeirRun.startBy(by, lab.router, ['to-client'], '--json', '--filter', filter);
      await (await start('udp')).end();
      t.same(sets(), [`Inh 0 Prm 0 Eff 0 Bnd ${who === 'root' ? 0 : 2000} Amb 0`]);
      // tcpdump has to open the interface for this one: it is given that capability, and Weir takes it back.
      await (await start('vlan 5')).end();
      t.equal(sets()[1], 'Inh 2000 Prm 2000 Eff 2000 Bnd 2000 Amb 2000');
    });
  }
});

test('while it runs, nothing can be inherited', live, async (t) => {
  const lab = await labFor(t);
  const weir = await WeirRun.startBy(asNobody('+net_raw'), lab.router, SIDES, '--json', '--filter', 'vlan 5');
  const status = new Program(lab.router, ['cat', `/proc/${weir.child.pid}/status`]);
  await status.closed;
  const sets = status.lines.map(({ text }) => String(text)).filter((line) => /^Cap(Inh|Eff|Amb)/.test(line));
  t.same(
    sets.map((line) => Number.parseInt(line.split('\t')[1]!, 16)),
    [0, 1 << 13, 0],
  );
  t.equal((await weir.end()).code, 0);
});
