/** Runs inside a namespace, started by machine.test.ts; the first argument names what it does. Output is JSON lines. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { RouterLog } from '../../src/router/log.ts';
import { Machine, type MachineTask } from '../../src/router/machine.ts';
import { runProgram } from '../../src/system/program.ts';

const [kind = '', ...rest] = process.argv.slice(2);
const say = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);
const said: string[] = [];
const logger = {
  info: (message: string) => said.push(message),
  warn: (message: string) => said.push(message),
  error: (message: string) => said.push(message),
};
const log: RouterLog = { ...logger, rateLimited: () => logger };

const kinds: Record<string, () => Promise<void>> = {
  /** task: makes the machine that, twice; prints the checks. */
  async apply() {
    const machine = new Machine({ log });
    machine.task = JSON.parse(rest[0]!) as MachineTask;
    for (let i = 0; i < 2; i++) {
      machine.keepSettings();
      await machine.keepRules();
    }
    say({ checks: machine.checks(), repairs: machine.repairs, said });
  },
  /** task: makes the machine that, spoils it, and puts it right. */
  async repair() {
    const machine = new Machine({ log });
    machine.task = JSON.parse(rest[0]!) as MachineTask;
    machine.keepSettings();
    await machine.keepRules();
    await runProgram('nft', ['flush', 'ruleset'], 5_000);
    writeFileSync('/proc/sys/net/ipv4/ip_forward', '0');
    const spoilt = machine.checks().filter(({ ok }) => !ok);
    machine.keepSettings();
    await machine.keepRules();
    say({ spoilt, checks: machine.checks(), repairs: machine.repairs, said });
  },
  /** host: a server that answers with the address of who asks. */
  async 'who-server'() {
    const socket = createSocket('udp4');
    socket.on('message', (_, from) => socket.send(from.address, from.port, from.address));
    socket.bind(0, rest[0]);
    await once(socket, 'listening');
    say({ port: socket.address().port });
  },
  /** host port source: asks that server. */
  async who() {
    const socket = createSocket('udp4');
    socket.bind(0, rest[2]);
    await once(socket, 'listening');
    socket.send('who?', Number(rest[1]), rest[0]);
    const [answer] = await once(socket, 'message');
    say({ address: String(answer) });
    socket.close();
  },
  /** host port port …: one datagram to each, where nobody listens; prints which of them the machine refused. */
  async refused() {
    const refused: number[] = [];
    const sockets = await Promise.all(
      rest.slice(1).map(async (port) => {
        const socket = createSocket('udp4');
        socket.connect(Number(port), rest[0]);
        await once(socket, 'connect');
        socket.on('error', () => refused.push(Number(port)));
        return socket;
      }),
    );
    // The last one is refused, and that comes behind whatever there is to say of those before.
    const last = once(sockets.at(-1)!, 'error');
    for (const socket of sockets) socket.send('x');
    await last.catch(() => undefined);
    say({ refused });
    for (const socket of sockets) socket.close();
  },
  /** host: sends GENEVE's port a datagram, and prints what comes back to it. */
  async hairpin() {
    const receiver = createSocket('udp4');
    receiver.bind(6081);
    await once(receiver, 'listening');
    const sender = createSocket('udp4');
    sender.bind(0);
    await once(sender, 'listening');
    const payload = Buffer.alloc(1_200, 0xa5);
    sender.send(payload, 6081, rest[0]);
    const [message, from] = (await once(receiver, 'message')) as [Buffer, { address: string; port: number }];
    say({
      isSame: message.equals(payload),
      from: from.address,
      isSamePort: from.port === sender.address().port,
    });
    receiver.close();
    sender.close();
  },
};

await kinds[kind]!();
