/** The policies of appliance/iam, and what they have in common with others. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

export const ROOT = join(import.meta.dirname, '../../..');
const FOLDER = join(ROOT, 'appliance/iam');

export interface Statement {
  readonly Sid: string;
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: unknown;
}

export const actionsOf = ({ Action }: Statement): readonly string[] => [Action].flat();

/** By the file's name without its ending, as they stand there. */
export function policyFiles(): Map<string, string> {
  const files = readdirSync(FOLDER).filter((file) => file.endsWith('.json'));
  return new Map(files.map((file) => [basename(file, '.json'), readFileSync(join(FOLDER, file), 'utf8')]));
}

/** The statements of a policy, with what stands in its places. @throws Error where nothing is given for a place */
export function statementsOf(text: string, places: Readonly<Record<string, string>>): Statement[] {
  const filled = text.replace(/\$\{(\w+)\}/g, (_, name: string) => {
    const value = places[name];
    if (value === undefined) throw new Error(`nothing is given for ${name}`);
    return value;
  });
  const { Version, Statement } = JSON.parse(filled) as { Version: string; Statement: Statement[] };
  if (Version !== '2012-10-17') throw new Error(`version ${Version}`);
  return Statement;
}
