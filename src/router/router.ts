/**
 * A router on AWS: at the start it waits for what it needs, makes the machine a router, and then keeps two loops going,
 * a quick one over health and the machine, and a slower one over the route tables, which a change of health wakes.
 *
 * Nothing here knows of metering, and nothing there waits for this.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Ec2Api, Ec2Interface, Selector } from '../aws/ec2.ts';
import type { Instance, InstanceInterface } from '../aws/instance.ts';
import { readAllowances, readConntrack } from './allowances.ts';
import { Health } from './health.ts';
import type { HealthReport } from './health-check.ts';
import { HealthServer } from './health-server.ts';
import { defaultRouteInterface, type KernelInterface, kernelInterfaces } from './kernel-interfaces.ts';
import type { RouterLog } from './log.ts';
import { type Check, Machine, type MachineTask } from './machine.ts';
import { type Peer, Peers } from './peers.ts';
import { Reconciler, type RouteRule } from './reconciler.ts';
import type { Plan, RouterState, RouterView } from './routes.ts';
import { RouterError, waitFor } from './wait.ts';

export interface PeerRule {
  readonly interfaces: Selector;
  readonly at: { readonly host: string; readonly port: number } | undefined;
}

export interface RouterSettings {
  readonly mode: 'route' | 'mirror-target' | 'gwlb-target';
  /** Names; none: all of the instance's. */
  readonly interfaces: readonly string[];
  readonly routes: readonly RouteRule[];
  readonly peers: readonly PeerRule[];
  readonly failback: 'automatic' | 'manual';
  readonly checkSeconds: number;
  readonly rise: number;
  readonly fall: number;
  readonly routeSeconds: number;
  readonly nat: boolean;
  /** None: the VPC's. */
  readonly natSources: readonly string[];
  /** None: the subnets of the own interfaces. */
  readonly tunnelSources: readonly string[];
  readonly attachInterface: string | undefined;
  readonly elasticIp: string | undefined;
  readonly waitSeconds: number;
  readonly health: { readonly host: string | 'auto'; readonly port: number } | undefined;
}

export interface RouterDependencies {
  readonly log: RouterLog;
  readonly readInstance: (signal: AbortSignal) => Promise<Instance>;
  /** Made when the region is known. */
  readonly ec2Of: (region: string) => Ec2Api;
  readonly machine?: Machine | undefined;
  readonly kernelInterfaces?: (() => readonly KernelInterface[]) | undefined;
  /** The name of the interface that the IPv4 default route leaves by. */
  readonly defaultRouteInterface?: (() => string | undefined) | undefined;
  /** Monotonic. */
  readonly nowMilliseconds: () => number;
}

/** A network interface of AWS, and the kernel's name for it. */
export interface BoundInterface extends InstanceInterface {
  readonly name: string;
}

/** What is known after the start. */
interface Running {
  readonly instance: Instance;
  readonly interfaces: readonly BoundInterface[];
  readonly ec2: Ec2Api;
  readonly reconciler: Reconciler;
  readonly peers: Peers;
  readonly server: HealthServer | undefined;
}

/** For the answer of a peer: as long as the interval, but a busy machine is no dead one, and nobody is waited for for long. */
const SHORTEST_CHECK_MILLISECONDS = 1_000;
const LONGEST_CHECK_MILLISECONDS = 2_000;
/** For asking peers before a release. */
const ASKING_MILLISECONDS = 5_000;
const RELEASE_MILLISECONDS = 10_000;
const SETTLING_MILLISECONDS = 1_000;
/** A call of EC2 under way must not keep a router that was asked to end. */
const STOP_MILLISECONDS = 500;
const SLOW_MILLISECONDS = 10_000;
const LOG_SECONDS = 30;

export class Router {
  /** ENA's counters, by interface. Read anew every ten seconds. */
  readonly allowances = new Map<string, ReadonlyMap<string, number>>();
  readonly machine: Machine;
  /** How often any router's state has changed, this one's included. */
  healthEpoch = 0;
  /** Where peers ask for health. */
  healthAddress: { readonly address: string; readonly port: number } | undefined;
  isReleased = false;

  readonly #settings: RouterSettings;
  readonly #dependencies: RouterDependencies;
  readonly #own: Health;
  readonly #ending = new AbortController();
  #running: Running | undefined;
  #loops: Promise<unknown> | undefined;
  #checks: readonly Check[] = [];
  #wake: () => void = () => undefined;
  #isWoken = false;
  #onRound: (() => void)[] = [];
  /** The name of the interface that has the Elastic IP. */
  #outer: string | undefined;

  constructor(settings: RouterSettings, dependencies: RouterDependencies) {
    this.#settings = settings;
    this.#dependencies = dependencies;
    this.#own = new Health(settings.rise, settings.fall);
    this.machine = dependencies.machine ?? new Machine({ log: dependencies.log });
  }

  get ec2(): Ec2Api | undefined {
    return this.#running?.ec2;
  }

  get reconciler(): Reconciler | undefined {
    return this.#running?.reconciler;
  }

  get instance(): Instance | undefined {
    return this.#running?.instance;
  }

  get interfaces(): readonly BoundInterface[] {
    return this.#running?.interfaces ?? [];
  }

  get peers(): readonly Peer[] {
    return this.#running?.peers.all ?? [];
  }

  get checks(): readonly Check[] {
    return this.#checks;
  }

  get state(): RouterState {
    return this.#own.state;
  }

  /** Packets that come in go out. Metering has no part in it. */
  get isForwarding(): boolean {
    return this.#checks.length > 0 && this.#checks.every(({ ok, isVital }) => ok || !isVital);
  }

  /** What peers are told. */
  get report(): HealthReport {
    return {
      interface: this.interfaces[0]?.id ?? '',
      forwarding: this.isForwarding,
      released: this.isReleased,
    };
  }

  /** All routers, this one first. */
  get routers(): RouterView[] {
    const running = this.#running;
    if (running === undefined) return [];
    const self = { id: running.interfaces[0]!.id, zone: running.instance.zone, state: this.#own.state };
    return [
      self,
      ...running.peers.all.map(({ id, zone, state, why }) => {
        // Who gives routes away by choice gives them to nobody who has just missed a check.
        const isDoubtful = this.isReleased && state === 'forwarding' && why !== undefined;
        return { id, zone, state: isDoubtful ? ('unknown' as const) : state };
      }),
    ];
  }

  readonly conntrack = readConntrack;

  /**
   * Makes the machine a router, then goes on by itself until {@link stop}.
   * @param signal ends the waiting
   * @throws RouterError what did not come in time, and what has to be mended
   */
  async start(signal: AbortSignal): Promise<void> {
    const settings = this.#settings;
    // What can be had at once is had at once: packets are forwarded before AWS has said a word.
    const forwards = settings.mode !== 'mirror-target';
    this.machine.task = { interfaces: settings.interfaces, forwards, rules: { kind: 'none' } };
    this.machine.keepSettings();
    const found = await this.#find(signal, true);
    this.machine.task = taskOf(settings, found.interfaces);
    const { log } = this.#dependencies;
    const reconciler = this.#reconcilerOf(found);
    const peers = this.#peersOf();
    this.#running = { ...found, reconciler, peers, server: undefined };
    this.machine.keepSettings();
    await this.machine.keepRules();
    this.#lookAtMachine();
    const server = await this.#serve(found.interfaces[0]!);
    this.#running = { ...found, reconciler, peers, server };
    log.info('routing', {
      mode: settings.mode,
      instance: found.instance.instanceId,
      zone: found.instance.zone,
      interfaces: found.interfaces.map(({ name, id }) => `${name} ${id}`),
      ...(this.healthAddress === undefined ? {} : { health: this.healthAddress }),
    });
    this.#loops = Promise.all([this.#healthLoop(), this.#rulesLoop(), this.#routeLoop(), this.#slowLoop()]);
  }

  /** Rejects where a loop fails by a fault; resolves when the router has been stopped. */
  async finished(): Promise<void> {
    await this.#loops;
  }

  /**
   * What would be done, after as many checks of the peers as a decision takes. Changes nothing, but for the kernel's
   * memory of what is asked of it.
   */
  async dryRun(signal: AbortSignal): Promise<{
    readonly task: MachineTask;
    readonly settings: ReturnType<Machine['differences']>;
    readonly sourceDestChecked: readonly string[];
    readonly elasticIp: { readonly allocation: string; readonly interface: string } | undefined;
    readonly plan: Plan;
  }> {
    const { checkSeconds, rise, fall } = this.#settings;
    const found = await this.#find(signal, false);
    const task = taskOf(this.#settings, found.interfaces);
    this.machine.task = task;
    const reconciler = this.#reconcilerOf(found);
    const peers = this.#peersOf();
    this.#running = { ...found, reconciler, peers, server: undefined };
    // Once started, this machine would forward.
    for (let i = 0; i < rise; i++) this.#own.found('good');
    await reconciler.decide();
    for (let i = 0; i < Math.max(rise, fall); i++) {
      if (i > 0) await sleep(checkSeconds * 1000, undefined, { signal });
      await peers.check();
    }
    const plan = await reconciler.decide();
    const own = await found.ec2.interfaces(found.interfaces.map(({ id }) => ({ id })));
    const { elasticIp: allocation } = this.#settings;
    const outer = allocation === undefined ? undefined : this.#outerInterface(found.instance).id;
    const isThere = allocation === undefined || (await found.ec2.addressInterface(allocation)) === outer;
    return {
      task,
      settings: this.machine.differences(),
      sourceDestChecked: own.filter((one) => one.isSourceDestChecked).map(({ id }) => id),
      elasticIp: isThere ? undefined : { allocation, interface: outer! },
      plan,
    };
  }

  /**
   * Gives every route to a router that forwards, and takes none until {@link resume}.
   * @returns how many routes still lead here: 0, or AWS does not answer in time
   * @throws RouterError where no other router is known to forward: they stay
   */
  async release(): Promise<number> {
    const { log, nowMilliseconds } = this.#dependencies;
    const begin = nowMilliseconds();
    // What is known may be a second old, and a peer may have ended meanwhile. systemd, and who asks, do not wait for ever.
    let isAnyThere = false;
    for (let i = 0; i < this.#settings.fall && !isAnyThere; i++) {
      if (nowMilliseconds() - begin > ASKING_MILLISECONDS) break;
      await this.#running?.peers.check();
      isAnyThere = this.peers.some(({ state, why }) => state === 'forwarding' && why === undefined);
    }
    if (this.#heldRoutes() > 0 && !isAnyThere)
      throw new RouterError(
        'no other router is known to forward: the routes stay here',
        'weir router status shows the peers, and why their checks fail',
      );
    if (!this.isReleased) log.info('released: the routes go to other routers, and none is taken');
    this.isReleased = true;
    this.#lookAtSelf();
    const deadline = nowMilliseconds() + RELEASE_MILLISECONDS;
    do {
      await this.#roundWithin(deadline - nowMilliseconds());
    } while (this.#heldRoutes() > 0 && nowMilliseconds() < deadline);
    return this.#heldRoutes();
  }

  /** Takes part again. */
  resume(): void {
    if (!this.isReleased) return;
    this.isReleased = false;
    this.#dependencies.log.info('takes part again');
  }

  /** Ends the loops. The machine goes on forwarding: that is the kernel's. Idempotent. */
  async stop(): Promise<void> {
    this.#ending.abort();
    this.#wake();
    const limit = new AbortController();
    const late = sleep(STOP_MILLISECONDS, undefined, { signal: limit.signal });
    await Promise.race([this.#loops, late].map((one) => Promise.resolve(one).catch(() => undefined)));
    limit.abort();
    await this.#running?.server?.stop();
  }

  /** Instance, interfaces, and EC2's client; everything that may be late. */
  async #find(signal: AbortSignal, mayChange: boolean) {
    const { log, nowMilliseconds, readInstance, ec2Of } = this.#dependencies;
    const { attachInterface, elasticIp, waitSeconds } = this.#settings;
    const wait = { log, nowMilliseconds, deadline: nowMilliseconds() + waitSeconds * 1000, signal };
    let instance = await waitFor('the instance metadata service', () => readInstance(signal), wait);
    const ec2 = ec2Of(instance.region);
    if (attachInterface !== undefined && !instance.interfaces.some(({ id }) => id === attachInterface)) {
      if (mayChange)
        await waitFor(
          `${attachInterface} to be attached`,
          () => attach(ec2, attachInterface, instance),
          wait,
        );
      else log.info(`${attachInterface} would be attached`);
      if (mayChange)
        instance = await waitFor(
          `${attachInterface} among this instance's interfaces`,
          async () => {
            const again = await readInstance(signal);
            if (again.interfaces.some(({ id }) => id === attachInterface)) return again;
            throw new Error('the metadata service does not know it yet');
          },
          wait,
        );
    }
    const interfaces = await waitFor('the network interfaces', async () => this.#bind(instance), wait);
    if (elasticIp !== undefined && mayChange)
      await waitFor(`${elasticIp} to be associated`, () => this.#associate(ec2, elasticIp, instance), wait);
    return { instance, interfaces, ec2 };
  }

  /**
   * The Elastic IP belongs where packets for the Internet leave: with two interfaces that is not the one that routes lead
   * to. @throws Error
   */
  async #associate(ec2: Ec2Api, allocation: string, instance: Instance): Promise<void> {
    const { name, id } = this.#outerInterface(instance);
    this.#outer = name;
    if ((await ec2.addressInterface(allocation)) === id) return;
    await ec2.associateAddress(allocation, id);
    this.#dependencies.log.info(`${allocation} is associated with ${id} (${name}) now`);
  }

  /** The interface that the default route leaves by. @throws Error */
  #outerInterface({ interfaces }: Instance): { readonly name: string; readonly id: string } {
    const name = (this.#dependencies.defaultRouteInterface ?? defaultRouteInterface)();
    if (name === undefined) throw new Error('there is no IPv4 default route yet');
    const kernel = (this.#dependencies.kernelInterfaces ?? kernelInterfaces)();
    const mac = kernel.find((one) => one.name === name)?.mac;
    const id = interfaces.find((one) => one.mac === mac)?.id;
    if (id === undefined) throw new Error(`the metadata service does not know ${name}, the default route's`);
    return { name, id };
  }

  /** The default route may come to a second interface after its address. Asks EC2 only where it has moved. Never rejects. */
  async lookAtElasticIp(): Promise<void> {
    const { log, defaultRouteInterface: read = defaultRouteInterface } = this.#dependencies;
    const { elasticIp } = this.#settings;
    const { ec2, instance } = this.#running!;
    if (elasticIp === undefined) return;
    const name = read();
    const before = this.#outer;
    if (name === undefined || name === before) return;
    try {
      await this.#associate(ec2, elasticIp, instance);
    } catch (error) {
      this.#outer = before;
      log
        .rateLimited('elastic ip', LOG_SECONDS)
        .error(
          `the default route has moved to ${name}, and ${elasticIp} has not: ${(error as Error).message}`,
        );
    }
  }

  /** Which of AWS's interfaces is which of the kernel's. @throws Error what is missing yet */
  #bind(instance: Instance): BoundInterface[] {
    const kernel = (this.#dependencies.kernelInterfaces ?? kernelInterfaces)();
    const { interfaces: names } = this.#settings;
    const bound = instance.interfaces.flatMap((one) => {
      const found = kernel.find(({ mac }) => mac === one.mac);
      if (found === undefined) {
        if (names.length === 0)
          throw new Error(`the kernel has no interface with the MAC address ${one.mac} (${one.id})`);
        return [];
      }
      return [{ ...one, name: found.name, kernel: found }];
    });
    const chosen =
      names.length === 0
        ? bound
        : names.map((name) => {
            const one = bound.find((candidate) => candidate.name === name);
            if (one !== undefined) return one;
            const exists = kernel.some((candidate) => candidate.name === name);
            throw new Error(
              exists
                ? `the metadata service knows no interface with the MAC address of ${name}`
                : `there is no interface ${name}`,
            );
          });
    for (const { name, kernel: has, ipv4, ipv6 } of chosen) {
      if (!has.isUp) throw new Error(`${name} is down`);
      // The first one: health is served at it, and where there is IPv4, packets are sent on by it.
      const primary = ipv4[0] ?? ipv6[0];
      if (primary === undefined) throw new Error(`the metadata service knows no address of ${name} yet`);
      if (!has.addresses.includes(primary)) throw new Error(`${name} does not have its address ${primary}`);
    }
    return chosen.map(({ kernel: _, ...one }) => one);
  }

  #reconcilerOf({ instance, interfaces, ec2 }: Pick<Running, 'instance' | 'interfaces' | 'ec2'>): Reconciler {
    const { log, nowMilliseconds } = this.#dependencies;
    const { routes, peers, failback } = this.#settings;
    return new Reconciler({
      ec2,
      log,
      self: interfaces[0]!.id,
      own: instance.interfaces.map(({ id }) => id),
      forwardsOn: interfaces.map(({ id }) => id),
      vpcId: interfaces[0]!.vpcId,
      vpcCidrs: interfaces[0]!.vpcCidrs,
      rules: routes,
      peers: peers.map((peer) => peer.interfaces),
      failback,
      health: () => ({ routers: this.routers, epoch: this.healthEpoch }),
      onPeers: (found) => {
        if (this.#running?.peers.follow(found) === true) this.healthEpoch++;
      },
      nowMilliseconds,
    });
  }

  #peersOf(): Peers {
    const { peers, health, rise, fall, checkSeconds } = this.#settings;
    return new Peers({
      places: peers.map(({ interfaces, at }) => ({ matches: (one) => isSelected(one, interfaces), at })),
      port: health?.port ?? 0,
      rise,
      fall,
      timeoutMilliseconds: Math.min(
        Math.max(checkSeconds * 1000, SHORTEST_CHECK_MILLISECONDS),
        LONGEST_CHECK_MILLISECONDS,
      ),
      onChange: ({ id, zone, state }, why) => {
        const text = `router ${id} in ${zone} is ${state}`;
        if (state === 'failing') this.#dependencies.log.warn(`${text}: ${why}`);
        else this.#dependencies.log.info(text);
        this.#healthChanged();
      },
    });
  }

  async #serve(first: BoundInterface): Promise<HealthServer | undefined> {
    const { health } = this.#settings;
    if (health === undefined) return undefined;
    const server = new HealthServer(() => this.report);
    const host = health.host === 'auto' ? (first.ipv4[0] ?? first.ipv6[0] ?? '::') : health.host;
    try {
      this.healthAddress = await server.start(host, health.port);
    } catch (error) {
      throw new RouterError(
        `health cannot be served at ${host} port ${health.port}: ${(error as Error).message}`,
        'choose another address with --health ADDRESS:PORT',
        error,
      );
    }
    return server;
  }

  #healthChanged(): void {
    this.healthEpoch++;
    this.#isWoken = true;
    this.#wake();
  }

  /** Looks at this machine as at the others. */
  #lookAtSelf(): void {
    const finding = !this.isForwarding ? 'bad' : this.isReleased ? 'released' : 'good';
    const before = this.#own.state;
    if (!this.#own.found(finding)) return;
    const { log } = this.#dependencies;
    const wrong = this.#checks.filter(({ ok, isVital }) => !ok && isVital);
    if (this.#own.state === 'failing')
      log.error(`this router does not forward: ${wrong.map(({ detail }) => detail).join('; ')}`);
    else if (before === 'failing') log.info('this router forwards again');
    this.#healthChanged();
  }

  #lookAtMachine(): void {
    this.machine.keepSettings();
    this.#checks = [...this.machine.checks(), this.#sourceDestCheck()];
  }

  #sourceDestCheck(): Check {
    const on = this.#running?.reconciler.checkedInterfaces;
    const detail = on === undefined ? 'not known yet' : on.length > 0 ? `on at ${on.join(', ')}` : 'off';
    // Not known: EC2 does not say. That alone stops no packet.
    return { name: 'source_dest_check', ok: on === undefined || on.length === 0, detail, isVital: true };
  }

  async #healthLoop(): Promise<void> {
    const { checkSeconds } = this.#settings;
    const { nowMilliseconds } = this.#dependencies;
    const signal = this.#ending.signal;
    while (!signal.aborted) {
      const begin = nowMilliseconds();
      this.#lookAtMachine();
      await this.#running!.peers.check();
      this.#lookAtSelf();
      await this.#pause(begin + checkSeconds * 1000 - nowMilliseconds());
    }
  }

  /** Beside the others: an nft that hangs must not keep anybody from seeing that a peer has died. */
  async #rulesLoop(): Promise<void> {
    while (!this.#ending.signal.aborted) {
      await this.#pause(this.#settings.routeSeconds * 1000);
      if (!this.#ending.signal.aborted) await this.machine.keepRules();
    }
  }

  async #routeLoop(): Promise<void> {
    const { checkSeconds, routeSeconds } = this.#settings;
    const signal = this.#ending.signal;
    let failures = 0;
    while (!signal.aborted) {
      this.#isWoken = false;
      // Who begins to wait during a round waits for the next: this one may have looked already.
      const waiting = this.#onRound;
      this.#onRound = [];
      const outcome = await this.#running!.reconciler.round();
      for (const done of waiting) done();
      failures = outcome === 'failed' ? failures + 1 : 0;
      // Soon, for EC2 tells what it has done with a delay. After failures quickly, then more and more slowly.
      const milliseconds =
        outcome === 'changed'
          ? Math.min(SETTLING_MILLISECONDS, routeSeconds * 1000)
          : outcome === 'failed'
            ? Math.min(checkSeconds * 2 ** Math.min(failures - 1, 10), routeSeconds) * 1000
            : routeSeconds * 1000;
      if (!this.#isWoken) await this.#pauseUntilWoken(milliseconds);
    }
  }

  async #slowLoop(): Promise<void> {
    const { log } = this.#dependencies;
    const signal = this.#ending.signal;
    while (!signal.aborted) {
      for (const { name } of this.interfaces) {
        try {
          this.allowances.set(name, await readAllowances(name));
        } catch (error) {
          log.rateLimited('ethtool', LOG_SECONDS).warn(`ethtool cannot be started: ${String(error)}`);
        }
      }
      await this.lookAtElasticIp();
      await this.#pause(SLOW_MILLISECONDS);
    }
  }

  /** Resolves after a round that has begun from now on, or that time. */
  async #roundWithin(milliseconds: number): Promise<void> {
    const done = new Promise<void>((resolve) => this.#onRound.push(resolve));
    this.#isWoken = true;
    this.#wake();
    const limit = new AbortController();
    await Promise.race([
      done,
      sleep(Math.max(milliseconds, 1), undefined, { signal: limit.signal }).catch(() => undefined),
    ]);
    limit.abort();
  }

  #heldRoutes(): number {
    const self = this.interfaces[0]?.id;
    const routes = this.reconciler?.routes ?? [];
    return routes.filter(({ current }) => current?.target === self).length;
  }

  async #pause(milliseconds: number): Promise<void> {
    await sleep(Math.max(milliseconds, 1), undefined, { signal: this.#ending.signal }).catch(() => undefined);
  }

  async #pauseUntilWoken(milliseconds: number): Promise<void> {
    const limit = new AbortController();
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    await Promise.race([
      woken,
      sleep(milliseconds, undefined, { signal: limit.signal }).catch(() => undefined),
    ]);
    this.#wake = () => undefined;
    limit.abort();
  }
}

/** What the machine is to be, with these interfaces. */
export function taskOf(settings: RouterSettings, interfaces: readonly BoundInterface[]): MachineTask {
  const names = interfaces.map(({ name }) => name);
  const [first] = interfaces;
  switch (settings.mode) {
    case 'mirror-target':
      return { interfaces: names, forwards: false, rules: { kind: 'mirror-target' } };
    case 'gwlb-target': {
      const subnets = [...new Set(interfaces.flatMap(({ subnetCidrs }) => subnetCidrs))];
      return {
        interfaces: names,
        forwards: true,
        rules: {
          kind: 'gwlb-target',
          addresses: interfaces.flatMap(({ ipv4 }) => ipv4),
          sources: settings.tunnelSources.length > 0 ? settings.tunnelSources : subnets,
        },
      };
    }
    default: {
      const sources = settings.natSources.length > 0 ? settings.natSources : (first?.vpcCidrs ?? []);
      return {
        interfaces: names,
        forwards: true,
        rules: settings.nat ? { kind: 'nat', sources } : { kind: 'none' },
      };
    }
  }
}

/** Attaches a fixed interface to this instance; it may still be the predecessor's. @throws Error */
async function attach(ec2: Ec2Api, id: string, { instanceId, interfaces }: Instance): Promise<void> {
  const [found] = await ec2.interfaces([{ id }]);
  if (found === undefined) throw new Error(`there is no ${id} in this region`);
  if (found.instanceId === instanceId) return;
  if (found.instanceId !== undefined)
    throw new Error(`it is still attached to ${found.instanceId} (${found.status})`);
  const taken = new Set(interfaces.map(({ deviceNumber }) => deviceNumber));
  let index = 1;
  while (taken.has(index)) index++;
  await ec2.attachInterface(id, instanceId, index);
}

function isSelected({ id, tags }: Ec2Interface, selector: Selector): boolean {
  return 'id' in selector ? selector.id === id : tags.get(selector.tag.key) === selector.tag.value;
}
