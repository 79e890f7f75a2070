/** `weir router status`, `release` and `resume`: what the router that runs here says. */
import { existsSync } from 'node:fs';
import { type Flags, loadConfig } from '../config/load.ts';
import { askRouter, type ControlCommand } from '../router/control.ts';
import type { RouterStatus } from '../router/status.ts';
import { type Column, tableLines } from './columns.ts';
import type { CommandContext } from './context.ts';
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE, UserError } from './errors.ts';
import { printable } from './format.ts';
import { asUserError } from './router.ts';

/** Looked at for the socket's path where neither --config nor --control is given. */
const USUAL_CONFIG = '/etc/weir/weir.yaml';
const COLUMNS_WITHOUT_TERMINAL = 200;

/** Resolves to the exit code: of `status` 1 where the router does not forward. @throws UserError */
export async function controlRouter(
  context: CommandContext,
  flags: Flags,
  command: ControlCommand,
  json: boolean,
): Promise<number> {
  const path = socketPath(flags);
  try {
    const answer = await askRouter(path, command);
    if (command === 'release') {
      const { left } = answer as { left: number };
      context.stdout.write(
        left === 0
          ? 'released: no route leads here; weir router resume takes part again\n'
          : `released, but ${left} routes still lead here: see weir router status\n`,
      );
      return left === 0 ? EXIT_OK : EXIT_FAILED;
    }
    const status = answer as RouterStatus;
    const columns = context.stdout.columns ?? COLUMNS_WITHOUT_TERMINAL;
    context.stdout.write(json ? `${JSON.stringify(status, undefined, 2)}\n` : statusText(status, columns));
    return command === 'resume' || status.forwarding ? EXIT_OK : EXIT_FAILED;
  } catch (error) {
    throw asUserError(error);
  }
}

function socketPath(flags: Flags): string {
  const given = new Map(flags);
  given.delete('json');
  const isUsual = !given.has('config') && !given.has('routerControl') && existsSync(USUAL_CONFIG);
  if (isUsual) given.set('config', [USUAL_CONFIG]);
  const { config, mistakes } = loadConfig(given, { only: 'router', command: 'router' });
  if (config !== undefined) return config.routerControl;
  // A mistake in the usual file must not keep anybody from asking the router that goes on without it.
  const fallback = isUsual ? loadConfig(new Map(), { only: 'router', command: 'router' }).config : undefined;
  if (fallback === undefined) throw new UserError(mistakes.join('\n'), { exitCode: EXIT_USAGE });
  return fallback.routerControl;
}

type Row<K extends keyof RouterStatus> = RouterStatus[K] extends readonly (infer R)[] ? R : never;

function flexible<R>(title: string, cell: (row: R) => string | null): Column<R> {
  return { title, align: 'left', width: 'flexible', cell: (row) => printable(cell(row) ?? '-') };
}

const INTERFACES: readonly Column<Row<'interfaces'>>[] = [
  flexible('INTERFACE', ({ name }) => name),
  flexible('ID', ({ id }) => id),
  flexible('SUBNET', ({ subnet }) => subnet),
  flexible('ADDRESSES', ({ addresses }) => addresses.join(' ')),
];
const CHECKS: readonly Column<Row<'checks'>>[] = [
  flexible('CHECK', ({ name }) => name),
  flexible('', ({ ok }) => (ok ? 'ok' : 'FAIL')),
  flexible('DETAIL', ({ detail }) => detail),
];
const ROUTERS: readonly Column<Row<'routers'>>[] = [
  flexible('ROUTER', ({ id, self }) => (self ? `${id} (this one)` : id)),
  flexible('ZONE', ({ zone }) => zone),
  flexible('STATE', ({ state }) => state),
  flexible('HEALTH', ({ address, why }) => [address, why].filter((one) => one !== null).join(': ') || null),
];
const ROUTES: readonly Column<Row<'routes'>>[] = [
  flexible('TABLE', ({ table }) => table),
  flexible('DESTINATION', ({ destination }) => destination),
  flexible('OWNER', ({ owner }) => owner),
  flexible('WANTED', ({ wanted }) => wanted),
  flexible('STATE', ({ state }) => state),
  flexible('UNIT', ({ unit }) => unit),
];

/** Four tables, and what went wrong. */
export function statusText(status: RouterStatus, columns: number): string {
  const { mode, instance, zone, state, released, observedSecondsAgo, health } = status;
  const head = [
    `${instance || 'no instance yet'} in ${zone || 'no zone yet'}, mode ${mode}: ${state}${released ? ' (released)' : ''}`,
    `health at ${health ?? 'no address'}; route tables read ${observedSecondsAgo === null ? 'never' : `${observedSecondsAgo} s ago`}`,
  ];
  const tables = [
    tableLines(INTERFACES, status.interfaces, columns),
    tableLines(CHECKS, status.checks, columns),
    tableLines(ROUTERS, status.routers, columns),
    tableLines(ROUTES, status.routes, columns),
  ];
  const problems = status.problems.map((problem) => `problem: ${printable(problem)}`);
  return [head, ...tables, ...(problems.length > 0 ? [problems] : [])]
    .map((lines) => `${lines.join('\n')}\n`)
    .join('\n');
}
