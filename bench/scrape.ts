/**
 * scrape URL: fetches it every 50 ms until standard input ends; then one JSON line with the count of answers and how long
 * they took, in milliseconds. The first answer, before which nothing was busy, is told by an empty object.
 */
import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

const EVERY_MILLISECONDS = 50;
const [url = ''] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
let isOver = false;
process.stdin.resume().once('end', () => {
  isOver = true;
});

async function scrape(): Promise<number> {
  const from = performance.now();
  const [response] = (await once(get(url, { agent }), 'response')) as [IncomingMessage];
  if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`);
  response.resume();
  await once(response, 'end');
  return performance.now() - from;
}

await scrape();
process.stdout.write('{}\n');
const took: number[] = [];
while (!isOver) {
  took.push(await scrape());
  await delay(EVERY_MILLISECONDS);
}
took.sort((a, b) => a - b);
const result = { count: took.length, median: took[took.length >> 1] ?? 0, most: took.at(-1) ?? 0 };
process.stdout.write(`${JSON.stringify(result)}\n`);
agent.destroy();
