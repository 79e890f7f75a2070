/** `weir doctor`: what this machine can and cannot do for Weir, and how to mend what it cannot. */
import type { CommandContext } from './context.ts';
import { CHECKS, type Finding, type Status } from './doctor-checks.ts';
import { EXIT_FAILED, EXIT_OK } from './errors.ts';
import { withoutControls } from './format.ts';
import { type Machine, thisMachine } from './machine.ts';

/** Runs every check and writes the list. Resolves to the exit code: 0 where `weir run` can capture with the ring. */
export async function doctor(
  context: CommandContext,
  json: boolean,
  machine: Machine = thisMachine(),
): Promise<number> {
  const findings: (Finding & { name: string })[] = [];
  for (const { name, find } of CHECKS) {
    for (const finding of await find(machine)) findings.push({ name, ...finding });
  }
  const canRun = !findings.some(({ status }) => status === 'fail');
  context.stdout.write(
    json
      ? `${JSON.stringify({ canRun, checks: findings }, undefined, 2)}\n`
      : checklist(findings, canRun, context.color),
  );
  return canRun ? EXIT_OK : EXIT_FAILED;
}

const COLORS: Record<Status, number> = { ok: 32, info: 36, warn: 33, fail: 31 };

function checklist(
  findings: readonly (Finding & { name: string })[],
  canRun: boolean,
  color: boolean,
): string {
  const width = Math.max(...findings.map(({ name }) => name.length));
  const paint = (status: Status, text: string) =>
    color ? `\u001b[${COLORS[status]}m${text}\u001b[0m` : text;
  const lines: string[] = [];
  for (const { name, status, reason, mend } of findings) {
    lines.push(`${paint(status, status.padEnd(4))}  ${name.padEnd(width)}  ${withoutControls(reason)}`);
    if (mend !== undefined) lines.push(`${' '.repeat(6 + width)}  to mend: ${withoutControls(mend)}`);
  }
  const failed = findings.filter(({ status }) => status === 'fail').map(({ name }) => name);
  lines.push(
    '',
    canRun ? 'weir run can capture here.' : `weir run cannot capture here yet: ${failed.join(', ')}.`,
  );
  return `${lines.join('\n')}\n`;
}
