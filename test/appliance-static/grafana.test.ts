/** The dashboard: each expression parses, asks for what the program exports, and every panel has its place. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { hasProgram } from '../support/programs.ts';
import { ROOT } from './iam.ts';
import { exportedMetrics, groupedBy, selectorsOf, TARGET_LABELS } from './metric-names.ts';

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly {
    readonly refId: string;
    readonly expr: string;
    readonly legendFormat: string;
  }[];
}
const dashboard = JSON.parse(readFileSync(join(ROOT, 'appliance/grafana/weir.json'), 'utf8')) as {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: unknown }[] };
  readonly annotations: { readonly list: readonly { readonly name: string; readonly expr: string }[] };
};
const { panels } = dashboard;
const expressions = [
  ...panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr, legendFormat }) => ({ title, expr, legend: legendFormat })),
  ),
  ...dashboard.annotations.list.map(({ name, expr }) => ({ title: name, expr, legend: '' })),
];

t.test(
  'promtool parses every expression',
  { skip: hasProgram('promtool') ? false : 'promtool is not installed (apt-get install prometheus)' },
  async (t) => {
    const rules = expressions.map(({ expr }, index) => ({
      record: `dashboard:${index}`,
      // As Grafana fills them in.
      expr: expr.replaceAll('$__rate_interval', '1m').replace(/\$(group|instance)\b/g, '.*'),
    }));
    t.ok(rules.length > 40);
    t.notMatch(JSON.stringify(rules), /\$/, 'no variable is left');
    const folder = t.testdir({ 'rules.json': JSON.stringify({ groups: [{ name: 'dashboard', rules }] }) });
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'rules', join(folder, 'rules.json')], {
      encoding: 'utf8',
    });
    t.equal(status, 0, stdout + stderr);
    t.match(stdout, `SUCCESS: ${rules.length} rules found`);
  },
);

t.test('the metrics are those of the program, with their labels', async (t) => {
  const metrics = await exportedMetrics();
  for (const { title, expr, legend } of expressions) {
    const selectors = selectorsOf(expr);
    t.ok(selectors.length > 0, title);
    const has = new Set(TARGET_LABELS);
    for (const { name, matchers } of selectors) {
      const own = metrics.get(name);
      if (own === undefined) {
        t.fail(`${title}: the program has no ${name}`);
        continue;
      }
      for (const label of own) has.add(label);
      for (const { label } of matchers)
        t.ok([...own, ...TARGET_LABELS].includes(label), `${title}: ${name} has the label ${label}`);
      // The variables of the dashboard choose in each of them.
      const asked = matchers.map(({ label }) => label);
      t.ok(
        asked.includes('group') && asked.includes('instance'),
        `${title}: ${name} is of the routers chosen`,
      );
    }
    const grouped = groupedBy(expr);
    for (const label of grouped) t.ok(has.has(label), `${title}: by ${label}`);
    const left = /^\s*(sum|max|min|count)\b/.test(expr) ? new Set(grouped) : has;
    for (const [, label] of legend.matchAll(/\{\{(\w+)\}\}/g))
      t.ok(left.has(label!), `${title}: names ${label}`);
  }
  for (const { query } of dashboard.templating.list)
    for (const { name } of selectorsOf(JSON.stringify(query)))
      if (name.startsWith('weir_')) t.ok(metrics.has(name), name);
});

t.test('what a network engineer asks for at night is there', async (t) => {
  const asked = new Set(expressions.flatMap(({ expr }) => selectorsOf(expr).map(({ name }) => name)));
  for (const name of [
    'weir_captured_packets_total',
    'weir_flows',
    'weir_capture_kernel_dropped_packets_total',
    'weir_collector_sent_records_total',
    'weir_collector_queued_records',
    'weir_collector_not_sent_records_total',
    'weir_flows_ended_total',
    'nodejs_eventloop_lag_p99_seconds',
    'weir_router_routes',
    'weir_router_state',
    'weir_router_takeovers_total',
    'weir_router_ena_allowance_exceeded_total',
    'weir_router_conntrack_entries',
  ])
    t.ok(asked.has(name), name);
});

t.test('panels have a place each, a title and a word of explanation', async (t) => {
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const taken = new Map<string, string>();
  for (const { type, title, description, gridPos, targets = [] } of panels) {
    const { x, y, w, h } = gridPos;
    t.ok(x >= 0 && x + w <= 24 && h > 0, title);
    for (let row = y; row < y + h; row++) {
      for (let column = x; column < x + w; column++) {
        const place = `${row} ${column}`;
        if (taken.has(place)) t.fail(`${title} lies over ${taken.get(place)}`);
        taken.set(place, title);
      }
    }
    t.ok(title !== '');
    if (type === 'row') continue;
    t.match(description, /\.$/, title);
    t.ok(targets.length > 0, title);
    t.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length, title);
  }
});
