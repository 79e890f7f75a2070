/** The disk in QEMU: its own kernel, on virtual hardware, by software emulation. */
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { Program } from '../network/program.ts';
import { SerialShell } from './shell.ts';
import { MACS, PATIENCE_MILLISECONDS, type Wire } from './wire.ts';

export const IMAGE = fileURLToPath(new URL('../../appliance/image', import.meta.url));

export class Vm {
  readonly #folder: string;
  readonly #qmp: Socket;
  readonly #answers: AsyncIterator<string>;
  readonly shell: SerialShell;

  private constructor(folder: string, qmp: Socket, serial: Socket) {
    this.#folder = folder;
    this.#qmp = qmp;
    this.#answers = createInterface(qmp)[Symbol.asyncIterator]();
    this.shell = new SerialShell(serial);
  }

  /**
   * Starts it with the first interface, and the second unless that is to come later, and with these files put in. The
   * disk's changes are kept while it lives, reboots included. Where weir.yaml is not among the files, cloud-init runs: it is
   * to bring it.
   */
  static async start(
    t: Test,
    { lab, folder }: Wire,
    files: Readonly<Record<string, string>>,
    interfaces: 1 | 2 = 2,
  ): Promise<Vm> {
    const program = new Program(lab.router, [
      ...['nice', '-n', '5', 'qemu-system-x86_64'],
      // The older machine, because its slots give the interfaces the names that they have in AWS.
      ...['-M', 'pc', '-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2', '-m', '1024'],
      ...['-nodefaults', '-display', 'none'],
      ...['-kernel', join(IMAGE, 'vmlinuz'), '-initrd', join(IMAGE, 'initrd')],
      '-append',
      // cloud-init takes minutes here.
      `root=LABEL=weir-root rw console=ttyS0 systemd.debug_shell=ttyS1 panic=5${'/etc/weir/weir.yaml' in files ? ' cloud-init=disabled' : ''}`,
      // By this it knows an instance of EC2.
      ...['-smbios', 'type=1,manufacturer=Amazon EC2,uuid=ec2e1916-9099-7caf-fd21-012345abcdef'],
      ...['-drive', `file=${join(IMAGE, 'disk.img')},if=virtio,format=raw,snapshot=on`],
      // systemd-tmpfiles takes them from the firmware, early in the boot.
      ...['-smbios', `type=11,value=io.systemd.credential.binary:tmpfiles.extra=${tmpfilesOf(files)}`],
      ...['-serial', `file:${join(folder, 'console')}`],
      ...['-serial', `unix:${join(folder, 'shell')},server=on,wait=off`],
      ...['-qmp', `unix:${join(folder, 'qmp')},server=on,wait=off`],
      ...Array.from({ length: interfaces }, (_, index) => [
        ...['-netdev', `tap,id=net${index},ifname=tap${index},script=no,downscript=no`],
        ...['-device', `virtio-net-pci,netdev=net${index},addr=${index + 5},mac=${MACS[index]}`],
      ]).flat(),
    ]);
    t.teardown(() => program.end('SIGKILL'));
    const [qmp, serial] = [
      await connected(program, join(folder, 'qmp')),
      await connected(program, join(folder, 'shell')),
    ];
    const vm = new Vm(folder, qmp, serial);
    t.teardown(() => {
      qmp.destroy();
      serial.destroy();
    });
    await vm.#answer(); // its greeting
    await vm.#command('qmp_capabilities');
    return vm;
  }

  /** Puts the second interface in, as AWS does with one that is attached while the instance runs. */
  async plugIn(): Promise<void> {
    await this.#command('netdev_add', {
      ...{ type: 'tap', id: 'net1', ifname: 'tap1', script: 'no', downscript: 'no' },
    });
    await this.#command('device_add', {
      ...{ driver: 'virtio-net-pci', id: 'nic1', netdev: 'net1', addr: '6', mac: MACS[1] },
    });
  }

  /** What the console has shown since the power came. */
  console(): string {
    const file = join(this.#folder, 'console');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  /** Resolves when the root shell answers. */
  async booted(): Promise<void> {
    await this.shell.ready(PATIENCE_MILLISECONDS);
  }

  /** Has the machine boot again, its firmware included. Resolves when its shell answers anew. */
  async reboot(): Promise<void> {
    const bootId = () => this.shell.run('cat /proc/sys/kernel/random/boot_id');
    const before = await bootId();
    await this.shell.run('systemctl --no-block reboot');
    const deadline = performance.now() + 2 * PATIENCE_MILLISECONDS;
    for (;;) {
      try {
        await this.shell.ready(PATIENCE_MILLISECONDS);
        if ((await bootId()).output !== before.output) return;
      } catch (error) {
        // The shell that was asked went down with the rest.
        if (performance.now() > deadline) throw error;
      }
    }
  }

  async #command(execute: string, parameters?: object): Promise<void> {
    this.#qmp.write(`${JSON.stringify({ execute, arguments: parameters })}\n`);
    for (;;) {
      const answer = await this.#answer();
      if ('return' in answer) return;
      if ('error' in answer) throw new Error(`${execute}: ${JSON.stringify(answer.error)}`);
    }
  }

  async #answer(): Promise<{ readonly return?: unknown; readonly error?: unknown }> {
    const { value, done } = await this.#answers.next();
    if (done === true) throw new Error('QEMU has ended');
    return JSON.parse(value);
  }
}

/** QEMU tells nobody when its sockets are there. */
async function connected(program: Program, path: string): Promise<Socket> {
  for (let attempt = 0; attempt < 100; attempt++) {
    if (program.child.exitCode !== null)
      throw new Error(`QEMU ended: ${program.log.map(({ text }) => text).join('\n')}`);
    if (existsSync(path)) {
      const socket = connect(path);
      await once(socket, 'connect');
      return socket;
    }
    await delay(100);
  }
  throw new Error(`${path} has not come into being`);
}

/** Lines of tmpfiles.d that write these files, as a credential. */
function tmpfilesOf(files: Readonly<Record<string, string>>): string {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  return base64(
    Object.entries(files)
      .map(([path, text]) => `f+~ ${path} 0644 root root - ${base64(text)}\n`)
      .join(''),
  );
}
