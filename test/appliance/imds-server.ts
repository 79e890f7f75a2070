/**
 * Runs inside a namespace, started by the tests: the instance metadata service, version 2 only, as AWS documents it. A
 * line of JSON on standard input changes what it says (`{"status": 503}`, `{"userData": "…"}`); each request is a line
 * of standard output.
 *
 *   imds-server.js ADDRESS METADATA-JSON
 */
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

type Tree = { readonly [name: string]: string | Tree };

const [address = '', metadata = '{}'] = process.argv.slice(2);
const tree = JSON.parse(metadata) as Tree;
const TOKEN = 'token-of-this-test';
let status = 200;
let userData = '';

createInterface(process.stdin).on('line', (line) => {
  const order = JSON.parse(line) as { status?: number; userData?: string };
  status = order.status ?? status;
  userData = order.userData ?? userData;
});

/** The text at a path: a value, or the names in a folder (those of folders end with a stroke). */
function lookUp(path: readonly string[]): string | undefined {
  let at: string | Tree | undefined = tree;
  for (const name of path) at = typeof at === 'object' ? at[name] : undefined;
  if (typeof at !== 'object') return at;
  return Object.entries(at)
    .map(([name, below]) => (typeof below === 'object' ? `${name}/` : name))
    .join('\n');
}

function answer(method: string, url: string, token: unknown): [status: number, body: string] {
  if (status !== 200) return [status, ''];
  const [version = '', part = '', ...path] = url.split('/').filter((name) => name !== '');
  if (part === 'api' && path[0] === 'token') return method === 'PUT' ? [200, TOKEN] : [405, ''];
  // Version 1, without a token, is off.
  if (token !== TOKEN) return [401, ''];
  if (!/^(latest|\d{4}-\d\d-\d\d)$/.test(version)) return [404, ''];
  const body = part === 'user-data' ? userData || undefined : lookUp([part, ...path]);
  return body === undefined ? [404, ''] : [200, body];
}

const server = createServer((request, response) => {
  const { method = '', url = '' } = request;
  const [code, body] = answer(method, url, request.headers['x-aws-ec2-metadata-token']);
  process.stdout.write(`${JSON.stringify({ method, url, status: code })}\n`);
  response.writeHead(code, { 'content-type': 'text/plain', 'x-aws-ec2-metadata-token-ttl-seconds': '21600' });
  response.end(body);
});
server.listen(80, address, () => process.stdout.write('{"listening":true}\n'));
