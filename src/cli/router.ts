/** `weir router`: makes the machine a router on AWS and keeps it one, until SIGTERM or SIGINT. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { AwsClients } from '../aws/clients.ts';
import { Ec2Api } from '../aws/ec2.ts';
import { Imds } from '../aws/imds.ts';
import { readInstance } from '../aws/instance.ts';
import { type EffectiveConfig, type Flags, type Loaded, loadConfig } from '../config/load.ts';
import { LoopLag } from '../metrics/loop-lag.ts';
import { buildRouterRegistry } from '../metrics/router-metrics.ts';
import { MetricsServer } from '../metrics/server.ts';
import { type ControlCommand, ControlServer } from '../router/control.ts';
import { Router, type RouterSettings } from '../router/router.ts';
import { statusOf } from '../router/status.ts';
import { RouterError } from '../router/wait.ts';
import { CAP_NET_ADMIN, letChildrenInherit, ownRights } from '../system/rights.ts';
import type { CommandContext } from './context.ts';
import { EXIT_OK, UserError } from './errors.ts';
import type { Log } from './log.ts';
import { planText } from './router-plan.ts';

/** The SDK's own retries of a call; the loop tries again by itself. */
const MAX_ATTEMPTS = 3;
const now = () => performance.now();

/**
 * The configuration of `weir router`: of the file only its own section counts. Where that has mistakes, the last one that
 * had none goes on (`--last-good`): measuring may fail, routing may not.
 */
export function loadRouter(flags: Flags, log: Log): Loaded {
  const load = (given: Flags) => loadConfig(given, { only: 'router', command: 'router' });
  const loaded = load(flags);
  const path = flags.get('config')?.at(-1);
  const keep = flags.get('routerLastGood')?.at(-1);
  if (path === undefined || keep === undefined) return loaded;
  if (loaded.config !== undefined) {
    if (!loaded.config.routerDryRun) keepLastGood(path, keep, log);
    return loaded;
  }
  const last = load(new Map([...flags, ['config', [keep]]]));
  if (last.config === undefined) return loaded;
  for (const mistake of loaded.mistakes) log.error(mistake);
  log.error(`${path} has mistakes: the router goes on with the last configuration that had none, ${keep}`, {
    hint: `weir config check ${path}; then systemctl restart weir-router`,
  });
  return last;
}

function keepLastGood(path: string, keep: string, log: Log): void {
  try {
    const octets = readFileSync(path);
    writeFileSync(`${keep}.part`, octets, { mode: 0o600 });
    renameSync(`${keep}.part`, keep);
  } catch (error) {
    log.warn(
      `${keep} cannot be written: ${(error as Error).message}; a mistake in ${path} would stop the router`,
    );
  }
}

/** Resolves to the exit code. @throws UserError */
export async function runRouter(context: CommandContext, config: EffectiveConfig): Promise<number> {
  const { log, signal, stdout } = context;
  limitRights(log);
  const imds = imdsOf(context);
  let clients: AwsClients | undefined;
  const router = new Router(settingsOf(config), {
    log,
    readInstance: (aborted) => readInstance(imds, aborted),
    ec2Of: (region) => {
      const { AWS_REGION } = context.env ?? {};
      clients = new AwsClients({ region: AWS_REGION ?? region, maxAttempts: MAX_ATTEMPTS });
      return new Ec2Api(clients);
    },
    nowMilliseconds: now,
  });
  try {
    if (config.routerDryRun) {
      stdout.write(planText(await router.dryRun(signal)));
      return EXIT_OK;
    }
    return await keepRouting(context, config, router, () => clients?.retries ?? 0);
  } catch (error) {
    if (signal.aborted && error === signal.reason) return EXIT_OK;
    throw asUserError(error);
  } finally {
    await router.stop();
    await clients?.close();
  }
}

async function keepRouting(
  context: CommandContext,
  config: EffectiveConfig,
  router: Router,
  apiRetries: () => number,
): Promise<number> {
  const { log, signal } = context;
  const control = new ControlServer(config.routerControl, async (command: ControlCommand) => {
    if (command === 'release') return { left: await router.release() };
    if (command === 'resume') router.resume();
    return statusOf(router, config.routerMode, now());
  });
  // Before anything else: it is also what keeps a second router from starting, and shows what a start waits for.
  await control.start();
  const metrics = await startMetrics(context, config, router, apiRetries);
  try {
    await router.start(signal);
    const asked = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([asked, router.finished()]);
    await giveRoutesBack(router, log);
    return EXIT_OK;
  } finally {
    await control.stop();
    await metrics?.stop();
  }
}

/** At the end, where somebody is there to take them. */
async function giveRoutesBack(router: Router, log: Log): Promise<void> {
  if (!router.peers.some(({ state }) => state === 'forwarding')) {
    log.info('no other router is known to forward: the routes stay, and the kernel goes on forwarding');
    return;
  }
  try {
    const left = await router.release();
    if (left > 0)
      log.warn(`${left} routes still lead here; the peers take them over when they miss this router`);
  } catch (error) {
    // The peer has gone in the last second.
    if (!(error instanceof RouterError)) throw error;
    log.warn(error.message);
  }
}

async function startMetrics(
  context: CommandContext,
  { routerMetrics: endpoint }: EffectiveConfig,
  router: Router,
  apiRetries: () => number,
): Promise<{ stop(): Promise<void> } | undefined> {
  if (endpoint === undefined) return undefined;
  const loopLag = new LoopLag();
  const server = new MetricsServer({
    address: endpoint.host,
    port: endpoint.port,
    registry: buildRouterRegistry({
      router,
      apiRetries,
      nowMilliseconds: now,
      loopLag,
      program: {
        version: context.version,
        nodeVersion: process.version,
        startTimeSeconds: performance.timeOrigin / 1000,
        memoryUsage: () => process.memoryUsage(),
        cpuUsage: () => process.cpuUsage(),
      },
    }),
    captures: [],
    collectors: [],
    readiness: () => ({ ready: router.isForwarding, checks: router.checks }),
  });
  const { address, port } = await server.start();
  context.log.info('metrics', { address, port });
  loopLag.start();
  return {
    async stop() {
      loopLag.stop();
      await server.stop();
    },
  };
}

/** Where the metadata service is, as the SDK's own variable says. */
export function imdsOf({ env }: CommandContext): Imds {
  const { AWS_EC2_METADATA_SERVICE_ENDPOINT: endpoint } = env ?? {};
  return new Imds({ endpoints: endpoint ? [endpoint] : undefined, nowMilliseconds: now });
}

/** An error that the user can mend stays in its words; a fault stays a fault. */
export function asUserError(error: unknown): unknown {
  if (!(error instanceof Error) || !['RouterError', 'AwsError', 'ImdsError'].includes(error.name))
    return error;
  const hint = error instanceof RouterError ? error.hint : undefined;
  return new UserError(error.message, { ...(hint !== undefined && { hint }), cause: error });
}

/** Its children get what nft needs; a machine without the right is said at once. */
function limitRights(log: Log): void {
  letChildrenInherit({ capabilities: CAP_NET_ADMIN, bound: true });
  const rights = ownRights();
  if (rights === undefined || rights.effective.includes(CAP_NET_ADMIN)) return;
  log.warn(`without ${CAP_NET_ADMIN} the kernel's settings and rules can only be looked at`, {
    hint: 'AmbientCapabilities=CAP_NET_ADMIN in the unit of systemd',
  });
}

function settingsOf(config: EffectiveConfig): RouterSettings {
  return {
    mode: config.routerMode,
    interfaces: config.routerInterfaces,
    routes: config.routerRoutes,
    peers: config.routerPeers,
    failback: config.routerFailback,
    checkSeconds: config.routerCheckSeconds,
    rise: config.routerRise,
    fall: config.routerFall,
    routeSeconds: config.routerRouteSeconds,
    nat: config.routerNat,
    natSources: config.routerNatSources,
    tunnelSources: config.routerTunnelSources,
    attachInterface: config.routerAttachInterface,
    elasticIp: config.routerElasticIp,
    waitSeconds: config.routerWaitSeconds,
    health: config.routerHealth,
  };
}
