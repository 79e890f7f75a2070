/** The scrape configuration and the alerts: promtool takes them, they do what they should, and every name is real. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { OPTIONS } from '../../src/config/schema.ts';
import { NOT_SENT_REASONS } from '../../src/export/message.ts';
import { ROUTE_STATES } from '../../src/metrics/router-metrics.ts';
import { hasProgram } from '../support/programs.ts';
import { ROOT } from './iam.ts';
import { exportedMetrics, groupedBy, selectorsOf, TARGET_LABELS } from './metric-names.ts';

const FOLDER = join(ROOT, 'appliance/prometheus');
const skip = hasProgram('promtool') ? false : 'promtool is not installed (apt-get install prometheus)';
const read = (file: string) => parse(readFileSync(join(FOLDER, file), 'utf8'));

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string };
}
const rules = (read('alerts.yml') as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules);

for (const [what, file] of [
  ['check config', 'scrape.yml'],
  ['check rules', 'alerts.yml'],
  ['test rules', 'alerts.test.yml'],
] as const) {
  t.test(`promtool ${what} ${file}`, { skip }, async (t) => {
    const { status, stdout, stderr } = spawnSync('promtool', [...what.split(' '), file], {
      cwd: FOLDER,
      encoding: 'utf8',
    });
    t.equal(status, 0, stdout + stderr);
    t.match(stdout, /SUCCESS/);
  });
}

t.test('every alert is tried: where it should come, and in a quiet night', async (t) => {
  interface Tried {
    readonly alertname: string;
    readonly exp_alerts: readonly unknown[];
  }
  const { tests } = read('alerts.test.yml') as { tests: { alert_rule_test: Tried[] }[] };
  const tried = tests.flatMap(({ alert_rule_test }) => alert_rule_test);
  const names = rules.map(({ alert }) => alert).sort();
  const of = (fires: boolean) =>
    tried
      .filter(({ exp_alerts }) => exp_alerts.length > 0 === fires)
      .map(({ alertname }) => alertname)
      .sort();
  t.same(of(true), names);
  t.same(of(false), names);
});

t.test('the metrics are those of the program, with their labels and values', async (t) => {
  const metrics = await exportedMetrics();
  t.ok(metrics.size > 80);
  const known: Record<string, ReadonlySet<string>> = {
    'weir_router_routes state': new Set(ROUTE_STATES),
    'weir_collector_not_sent_records_total reason': new Set(NOT_SENT_REASONS),
    'weir_collector_state state': new Set(['resolving', 'sending', 'failing']),
    'weir_router_state state': new Set(['forwarding', 'failing', 'released', 'unknown']),
    'weir_flows_ended_total reason': new Set(['lack_of_resources']),
    'weir_reloads_total outcome': new Set(['applied', 'refused']),
    'weir_router_api_failures_total kind': new Set(['access-denied']),
  };
  for (const { alert, expr, annotations, labels } of rules) {
    const selectors = selectorsOf(expr);
    t.ok(selectors.length > 0, alert);
    const has = new Set(TARGET_LABELS);
    for (const { name, matchers } of selectors) {
      const own = metrics.get(name);
      if (own === undefined) {
        t.fail(`${alert}: the program has no ${name}`);
        continue;
      }
      for (const label of own) has.add(label);
      for (const { label, values } of matchers) {
        if (label === 'job') {
          for (const value of values) t.match(value, /^weir(-router)?$/, `${alert}: job ${value}`);
          continue;
        }
        t.ok(own.includes(label), `${alert}: ${name} has the label ${label}`);
        for (const value of values)
          t.ok(known[`${name} ${label}`]?.has(value), `${alert}: ${name} ${label} ${value}`);
      }
    }
    const grouped = groupedBy(expr);
    for (const label of grouped) t.ok(has.has(label), `${alert}: by ${label}`);
    const left = /^\s*(sum|max|min|count)\b/.test(expr) ? new Set(grouped) : has;
    const { summary, description } = annotations;
    for (const [, label] of `${summary}${description}`.matchAll(/\$labels\.(\w+)/g))
      t.ok(left.has(label!), `${alert}: says ${label}`);
    for (const { name } of selectorsOf(description))
      if (name !== 'up') t.ok(metrics.has(name), `${alert}: says ${name}`);
    t.match(labels.severity, /^(page|ticket)$/);
  }
});

t.test('the ports and jobs are those of the program', async (t) => {
  const text = readFileSync(join(FOLDER, 'scrape.yml'), 'utf8');
  const port = (option: { default: string }) => option.default.split(':')[1]!;
  t.match(text, `port: ${port(OPTIONS.metrics)}`);
  t.match(text, `replacement: $1:${port(OPTIONS.routerMetrics)}`);
  const { scrape_configs: jobs } = read('scrape.yml') as { scrape_configs: { job_name: string }[] };
  t.same(
    jobs.map(({ job_name }) => job_name),
    ['weir', 'weir-router'],
  );
});
