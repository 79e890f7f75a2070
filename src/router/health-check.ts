/** Asks another router for its health: `GET /health` of its {@link HealthServer}. */
import { get } from 'node:http';
import type { Finding } from './health.ts';

export interface CheckResult {
  readonly finding: Finding;
  /** Of what is not good. */
  readonly why: string | undefined;
}

export interface HealthReport {
  /** The network interface that routes lead to. */
  readonly interface: string;
  readonly forwarding: boolean;
  readonly released: boolean;
}

const MOST_OCTETS = 4_096;

/**
 * @param id of the router that is expected there: an address may have become another machine's
 * @returns never rejects
 */
export function checkHealth(
  { host, port }: { readonly host: string; readonly port: number },
  id: string,
  timeoutMilliseconds: number,
): Promise<CheckResult> {
  return new Promise((resolve) => {
    const bad = (why: string) => resolve({ finding: 'bad', why });
    const signal = AbortSignal.timeout(timeoutMilliseconds);
    const asked = get({ host, port, path: '/health', agent: false, signal }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        body += text;
        if (body.length > MOST_OCTETS) response.destroy(new Error('its answer does not end'));
      });
      response.once('error', (error) => bad(error.message));
      response.once('end', () => resolve(judge(body, id)));
    });
    asked.once('error', (error: NodeJS.ErrnoException) =>
      bad(signal.aborted ? `no answer within ${timeoutMilliseconds} ms` : (error.code ?? error.message)),
    );
  });
}

function judge(body: string, id: string): CheckResult {
  const bad = (why: string): CheckResult => ({ finding: 'bad', why });
  let report: Partial<HealthReport>;
  try {
    report = JSON.parse(body) as Partial<HealthReport>;
  } catch {
    return bad('its answer is none of a router');
  }
  if (report.interface !== id) return bad(`it says that it is ${String(report.interface)}`);
  if (report.forwarding !== true) return bad('it says that it does not forward');
  if (report.released === true) return { finding: 'released', why: undefined };
  return { finding: 'good', why: undefined };
}
