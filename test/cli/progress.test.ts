import { test } from 'tap';
import {
  ConvertProgress,
  type ConvertProgressOptions,
  ReadProgress,
  type ReadProgressOptions,
} from '../../src/cli/progress.ts';
import { Screen } from './screen.ts';

function setUp(columns: number, totalOctets: number | undefined, isTTY = true) {
  const screen = new Screen(columns, 5);
  const state = { octets: 0, packets: 0, flows: 0 };
  let milliseconds = 1000;
  const options: ReadProgressOptions = {
    output: isTTY ? screen : { isTTY: false, write: (text) => screen.write(text) },
    color: false,
    totalOctets,
    state: () => state,
    monotonicMilliseconds: () => milliseconds,
  };
  const progress = new ReadProgress(options);
  const move = (to: number, now: typeof state) => {
    milliseconds = to;
    Object.assign(state, now);
    // What the bar's own timer does five times a second.
    progress.clear();
    progress.redraw();
  };
  return { screen, progress, move };
}

test('the bar tells octets, packets a second, flows and the time left', async (t) => {
  const { screen, progress, move } = setUp(120, 4_000_000);
  screen.write('$ weir read\n');
  progress.start();
  t.equal(screen.text, '$ weir read\n░░░░░░░░░░░░░░░░░░░░░░░░   0%  0 B of 4.00 MB  0 packets/s  0 flows');
  t.equal(screen.cursorVisible, false);
  move(3000, { octets: 1_000_000, packets: 5000, flows: 1 });
  t.equal(
    screen.text,
    '$ weir read\n██████░░░░░░░░░░░░░░░░░░  25%  1.00 MB of 4.00 MB  2 500 packets/s  1 flow  6 s left',
  );
  move(9000, { octets: 4_000_000, packets: 20_000, flows: 1234 });
  t.match(screen.text, /█{24} 100% .* 1 234 flows {2}0 s left$/);
  progress.stop();
  t.equal(screen.text, '$ weir read', 'nothing of it is left');
  t.equal(screen.cursorVisible, true);
  progress.stop();
  progress.clear();
  progress.redraw();
  t.equal(screen.text, '$ weir read');
});

test('it stays where it is on the screen though the log has scrolled it', async (t) => {
  const { screen, progress } = setUp(120, 4_000_000);
  progress.start();
  for (let i = 1; i <= 7; i++) {
    progress.clear();
    screen.write(`line ${i}\n`);
    progress.redraw();
  }
  t.match(screen.text, /^line 4\nline 5\nline 6\nline 7\n░/);
  progress.stop();
  t.equal(screen.text, 'line 4\nline 5\nline 6\nline 7');
});

test('of standard input nobody knows the end, and a narrow terminal gets the figures', async (t) => {
  const stdin = setUp(120, undefined);
  stdin.progress.start();
  stdin.move(2000, { octets: 1500, packets: 7, flows: 3 });
  t.equal(stdin.screen.text, '1.50 kB read  7.0 packets/s  3 flows');
  stdin.progress.stop();

  const narrow = setUp(40, 4_000_000);
  narrow.progress.start();
  narrow.move(2000, { octets: 1_000_000, packets: 7, flows: 3 });
  t.equal(narrow.screen.text, '25%  1.00 MB of 4.00 MB  7.0 packets/s…');
  narrow.progress.stop();
});

test('what is no terminal gets nothing at all', async (t) => {
  const { screen, progress, move } = setUp(80, 1000, false);
  progress.start();
  move(2000, { octets: 500, packets: 1, flows: 1 });
  progress.stop();
  t.equal(screen.writes, 0);
});

test('of a conversion: objects, records a second and the time left', async (t) => {
  const screen = new Screen(110, 5);
  let milliseconds = 0;
  const state: ReturnType<ConvertProgressOptions['state']> & { [name: string]: unknown } = {
    objects: 0,
    records: 0,
    octets: 0,
    total: { objects: 1000, octets: 8_000_000 },
  };
  const progress = new ConvertProgress({
    output: screen,
    color: false,
    state: () => state,
    monotonicMilliseconds: () => milliseconds,
  });
  const move = (to: number, now: object) => {
    milliseconds = to;
    Object.assign(state, now);
    progress.clear();
    progress.redraw();
  };
  progress.start();
  t.equal(screen.text, '░░░░░░░░░░░░░░░░░░░░░░░░   0%  0 of 1 000 objects  0 records/s');
  move(2000, { objects: 250, records: 3_000_000, octets: 2_000_000 });
  t.equal(screen.text, '██████░░░░░░░░░░░░░░░░░░  25%  250 of 1 000 objects  1 500 000 records/s  6 s left');
  // More are found while the list goes on: it falls back, and tells no nonsense.
  move(2000, { total: { objects: 4000, octets: 32_000_000 } });
  t.match(screen.text, / {3}6% {2}250 of 4 000 objects .* 30 s left$/);
  move(4000, { total: undefined, objects: 1 });
  t.equal(screen.text, '1 object  750 000 records/s');
  progress.stop();
  t.equal(screen.text, '');
});
