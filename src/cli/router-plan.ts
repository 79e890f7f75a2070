/** What `weir router --dry-run` prints: one line for each thing that would be done. */
import { nftRules } from '../router/nft-rules.ts';
import type { Router } from '../router/router.ts';

type Planned = Awaited<ReturnType<Router['dryRun']>>;

export function planText({ task, settings, sourceDestChecked, elasticIp, plan }: Planned): string {
  const lines: string[] = [`interfaces: ${task.interfaces.join(', ')}`];
  for (const { path, value, current } of settings)
    lines.push(`set net.${path.replaceAll('/', '.')} to ${value} (it is ${current})`);
  if (task.rules.kind !== 'none') lines.push('load into nftables:', ...indented(nftRules(task.rules)));
  for (const id of sourceDestChecked) lines.push(`turn the source/destination check of ${id} off`);
  if (elasticIp !== undefined)
    lines.push(
      `associate ${elasticIp.allocation} with ${elasticIp.interface}, the default route's interface`,
    );
  for (const { kind, table, destination, target, from, take, handBack } of plan.actions) {
    const why = take ?? `hand back: ${handBack}`;
    lines.push(
      kind === 'create'
        ? `create ${destination} in ${table} → ${target} (${why})`
        : `replace ${destination} in ${table}: ${from ?? 'an unknown target'} → ${target} (${why})`,
    );
  }
  for (const { table, destination, wanted, current, state } of plan.routes) {
    if (state === 'changing') continue;
    lines.push(
      `leave ${destination} in ${table} at ${current?.target ?? 'nothing'} (${state}, wanted ${wanted ?? 'nobody'})`,
    );
  }
  return `${lines.join('\n')}\n`;
}

function indented(text: string): string[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => `  ${line}`);
}
