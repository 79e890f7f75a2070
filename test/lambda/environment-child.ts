/** An execution environment: loads the bundle whose path is given, and answers each event that its parent sends. */

import { pathToFileURL } from 'node:url';
import type { Invocation } from './environment.ts';

type Handler = (event: unknown, context: object) => Promise<unknown>;

const bundle = (await import(pathToFileURL(process.argv[2]!).href)) as Record<string, Handler>;

process.on('message', async ({ name, event, milliseconds }: Invocation) => {
  const end = performance.now() + milliseconds;
  const context = { getRemainingTimeInMillis: () => end - performance.now() };
  try {
    process.send!({ result: await bundle[name]!(event, context) });
  } catch (error) {
    process.send!({ error: (error as Error).message });
  }
});
process.send!('ready');
