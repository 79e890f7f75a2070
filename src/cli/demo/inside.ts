/**
 * The part of the demo that runs in the router's namespace: `weir demo` again, as a child of itself. It captures on
 * the router's two interfaces; the parent drives the traffic, and speaks with it over an IPC channel.
 */
import process from 'node:process';
import { RingSource } from '../../capture/ring.ts';
import type { CommandContext } from '../context.ts';
import { EXIT_FAILED, EXIT_OK } from '../errors.ts';
import { showFlows } from './show-flows.ts';

/** Set in the child's environment, and nowhere else: `table` or `json`. */
export const INSIDE_VARIABLE = 'WEIR_DEMO_INSIDE';

/** From the parent. */
export type ToInside =
  /** To be said in the log: only who draws the table can write beside it. */
  { readonly kind: 'note' | 'problem'; readonly text: string } | { readonly kind: 'stop' };

/** To the parent. */
export type FromInside = { readonly kind: 'capturing' } | { readonly kind: 'failed'; readonly text: string };

export interface InsideOptions {
  readonly json: boolean;
}

const INTERFACES = ['to-client', 'to-server'] as const;
/** The demo's traffic is gentle: 1 MiB each is plenty. */
const RING = { blockOctets: 128 * 1024, blockCount: 8 } as const;
const PROBLEM_INTERVAL_SECONDS = 10;

/** Resolves to the exit code. */
export async function inside(context: CommandContext, options: InsideOptions): Promise<number> {
  const { log } = context;
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  const tell = (message: FromInside) => {
    if (process.connected) process.send?.(message);
  };
  const onMessage = (message: ToInside) => {
    if (message.kind === 'stop') stop();
    else if (message.kind === 'note') log.info(message.text);
    else log.rateLimited('demo traffic', PROBLEM_INTERVAL_SECONDS).warn(message.text);
  };
  process.on('message', onMessage);
  // The parent has died: nobody else would end this process.
  process.once('disconnect', stop);
  if (context.signal.aborted) stop();
  context.signal.addEventListener('abort', stop, { once: true });
  let isCapturing = false;
  try {
    return await showFlows(context, {
      json: options.json,
      signal: stopping.signal,
      traffic: 'Real traffic crosses the router: HTTP, DNS, a call, a download, ping, port scans.',
      async makeSources() {
        const say = (text: string) => log.warn(text);
        return INTERFACES.map((interfaceName) => new RingSource({ ...RING, interfaceName, log: say }));
      },
      onCapturing() {
        isCapturing = true;
        tell({ kind: 'capturing' });
      },
    });
  } catch (error) {
    if (isCapturing) throw error;
    tell({ kind: 'failed', text: error instanceof Error ? error.message : String(error) });
    return stopping.signal.aborted ? EXIT_OK : EXIT_FAILED;
  } finally {
    process.off('message', onMessage);
    process.off('disconnect', stop);
    if (process.connected) process.disconnect();
  }
}
