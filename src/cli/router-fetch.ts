/**
 * `weir router fetch SOURCE FILE`: the configuration from user data or an SSM parameter, written to a file if it has no
 * mistake. A tag of the instance may name a role or a group in the parameter's name, and nothing else.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { AwsClients } from '../aws/clients.ts';
import type { Imds } from '../aws/imds.ts';
import { readParameter } from '../aws/ssm.ts';
import { loadConfig } from '../config/load.ts';
import { RouterError, waitFor } from '../router/wait.ts';
import type { CommandContext } from './context.ts';
import { EXIT_OK, EXIT_USAGE, UserError } from './errors.ts';
import { asUserError, imdsOf } from './router.ts';

const WAIT_MILLISECONDS = 120_000;
const TAGS = ['role', 'group'] as const;

/** Resolves to the exit code. @throws UserError */
export async function fetchConfig(context: CommandContext, source: string, file: string): Promise<number> {
  const name = /^ssm:(\/?[\w./{}-]+)$/.exec(source)?.[1];
  if (name === undefined && source !== 'user-data')
    throw new UserError(`"${source}" is neither ssm:NAME nor user-data`, { exitCode: EXIT_USAGE });
  const text = await read(context, name).catch((error) => {
    throw asUserError(error);
  });
  const { mistakes } = loadConfig(new Map([['config', [source]]]), {
    readFile: () => new TextEncoder().encode(text),
  });
  if (mistakes.length > 0)
    throw new UserError(mistakes.join('\n'), {
      hint: `${file} stays as it is`,
      exitCode: EXIT_USAGE,
    });
  const isNew = !isSame(file, text);
  if (isNew) {
    try {
      writeFileSync(`${file}.part`, text, { mode: 0o644 });
      renameSync(`${file}.part`, file);
    } catch (error) {
      throw new UserError(`${file} cannot be written: ${(error as Error).message}`, { cause: error });
    }
  }
  context.log.info(`${file} ${isNew ? 'is written' : 'is the same already'}`, { source });
  return EXIT_OK;
}

async function read(context: CommandContext, name: string | undefined): Promise<string> {
  const { log, signal, env } = context;
  const imds = imdsOf(context);
  const now = () => performance.now();
  const wait = { log, signal, nowMilliseconds: now, deadline: now() + WAIT_MILLISECONDS };
  const metadata = 'the instance metadata service';
  if (name === undefined) {
    const text = await waitFor(metadata, () => imds.get('user-data', signal), wait);
    if (text === undefined) throw new RouterError('this instance has no user data');
    if (/^(#!|#cloud-|Content-Type:|MIME-Version:)/i.test(text))
      throw new RouterError(
        "the user data is cloud-init's, not a weir.yaml",
        'let cloud-init write the file (write_files), or use ssm:NAME',
      );
    return text;
  }
  const { AWS_REGION } = env ?? {};
  const region =
    AWS_REGION ??
    (await waitFor(
      metadata,
      async () => {
        const found = await imds.get('meta-data/placement/region', signal);
        if (found === undefined) throw new Error('it does not know the region yet');
        return found.trim();
      },
      wait,
    ));
  const parameter = await withTags(name, imds, signal);
  const clients = new AwsClients({ region });
  try {
    const text = await readParameter(clients, parameter);
    if (text.trim() === '') throw new RouterError(`the SSM parameter ${parameter} is empty`);
    return text;
  } finally {
    await clients.close();
  }
}

/** `{role}` and `{group}` are the values of the instance's tags weir:role and weir:group. */
async function withTags(name: string, imds: Imds, signal: AbortSignal): Promise<string> {
  let filled = name;
  for (const tag of TAGS) {
    if (!filled.includes(`{${tag}}`)) continue;
    const value = (await imds.get(`meta-data/tags/instance/weir:${tag}`, signal))?.trim();
    if (value === undefined)
      throw new RouterError(
        `the instance has no tag weir:${tag}, or its tags are not among its metadata`,
        'InstanceMetadataTags=enabled in the launch template',
      );
    // It names a place among parameters: no way out of it.
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(value))
      throw new RouterError(`the tag weir:${tag} is not a name of letters, digits, "-" and "_": ${value}`);
    filled = filled.replaceAll(`{${tag}}`, value);
  }
  const unknown = /\{[^}]*\}?/.exec(filled)?.[0];
  if (unknown !== undefined)
    throw new RouterError(`${unknown} in ${name}: only {role} and {group} stand for tags`);
  return filled;
}

function isSame(file: string, text: string): boolean {
  try {
    return readFileSync(file, 'utf8') === text;
  } catch {
    return false; // none, or not to be read: it is written, and that tells why not
  }
}
