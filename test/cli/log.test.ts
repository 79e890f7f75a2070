import t from 'tap';
import { createLog, type LogOptions } from '../../src/cli/log.ts';
import { wantsColor } from '../../src/cli/terminal.ts';

function logged(options: Partial<LogOptions> = {}) {
  const lines: string[] = [];
  const clock = { milliseconds: 0 };
  const log = createLog({
    write: (line) => lines.push(line),
    isTerminal: false,
    color: false,
    debug: false,
    nowMilliseconds: () => clock.milliseconds,
    ...options,
  });
  const fields = () =>
    lines.splice(0).map((line) => {
      const { time, ...rest } = JSON.parse(line) as Record<string, unknown>;
      t.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      return rest;
    });
  return { log, lines, fields, clock };
}

t.test('JSON lines where standard error is no terminal', async (t) => {
  const { log, lines, fields } = logged();
  log.info('capturing', { interface: 'eth0' });
  log.warn('lost');
  log.error('failed', { error: new Error('no such device') });
  log.debug('not shown');
  t.ok(lines.every((line) => line.endsWith('\n') && line.split('\n').length === 2));
  t.same(fields(), [
    { level: 'info', msg: 'capturing', interface: 'eth0' },
    { level: 'warn', msg: 'lost' },
    { level: 'error', msg: 'failed', error: 'no such device' },
  ]);
});

t.test('lines for people on a terminal', async (t) => {
  const plain = logged({ isTerminal: true, debug: true });
  plain.log.debug('looking', { error: new Error('gone') });
  t.match(plain.lines.join(''), /^\[\d\d:\d\d:\d\d\.\d{3}\] DEBUG: looking \{"error":"gone"\}\n$/);

  const colored = logged({ isTerminal: true, color: true });
  colored.log.warn('look');
  t.match(colored.lines.join(''), '\u001b[33mWARN\u001b[39m');
});

t.test('what others have named cannot take over the terminal', async (t) => {
  const { log, lines } = logged({ isTerminal: true });
  log.warn('e\u001b[2Jth is \u202egone: café, 10 → 9 …', {
    list: ['\u009b2J', 'two\r'],
    error: new Error('\u0007'),
  });
  t.match(
    lines.join(''),
    /WARN: e\\x1b\[2Jth is \\u\{202e\}gone: café, 10 → 9 … \{"list":\["\\x9b2J","two\\x0d"\],"error":"\\x07"\}\n$/,
  );
});

t.test('a flood is held back, counted and told', async (t) => {
  const { log, fields, clock } = logged();
  const limited = log.rateLimited('collector a', 10);
  for (let packet = 0; packet < 1000; packet++) limited.warn('refused', { packet });
  log.rateLimited('collector b', 10).warn('refused');
  t.same(fields(), [
    { level: 'warn', msg: 'refused', packet: 0 },
    { level: 'warn', msg: 'refused' },
  ]);

  clock.milliseconds = 9_999;
  log.rateLimited('collector a', 10).error('unreachable');
  t.same(fields(), []);
  clock.milliseconds = 10_000;
  limited.warn('refused', { packet: 1000 });
  limited.warn('refused', { packet: 1001 });
  t.same(fields(), [{ level: 'warn', msg: 'refused', packet: 1000, suppressed: 1000 }]);

  log.flush();
  log.flush();
  t.same(fields(), [{ level: 'warn', msg: 'refused', suppressed: 1 }]);
});

t.test('what is painted in place steps aside for a line', async (t) => {
  const { log, lines } = logged({ isTerminal: true });
  log.repaint({ clear: () => lines.push('clear'), redraw: () => lines.push('redraw') });
  log.info('a line');
  t.same([lines[0], lines.length, lines[2]], ['clear', 3, 'redraw']);
  log.repaint(undefined);
  log.info('a line');
  t.equal(lines.length, 4);
});

t.test('colours: NO_COLOR beats FORCE_COLOR beats the terminal', async (t) => {
  const cases: [env: Record<string, string>, isTerminal: boolean, color: boolean][] = [
    [{}, true, true],
    [{}, false, false],
    [{ TERM: 'dumb' }, true, false],
    [{ NO_COLOR: '1' }, true, false],
    [{ NO_COLOR: '' }, true, true],
    [{ FORCE_COLOR: '1' }, false, true],
    [{ FORCE_COLOR: '0' }, true, false],
    [{ NO_COLOR: '1', FORCE_COLOR: '1' }, true, false],
  ];
  for (const [env, isTerminal, color] of cases)
    t.equal(wantsColor(env, isTerminal), color, JSON.stringify(env));
});
