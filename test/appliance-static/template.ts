/**
 * Reads a template of CloudFormation, and works out its intrinsic functions for given parameters: as naively as the
 * documentation describes them, and no more of them than the project's templates use. What it does not know it throws at.
 */
import { readFileSync } from 'node:fs';
import { parse, type ScalarTag } from 'yaml';

export interface Resource {
  readonly Type: string;
  readonly DependsOn?: string | readonly string[];
  readonly UpdatePolicy?: Record<string, unknown>;
  readonly Properties: Record<string, unknown>;
}

interface RawTemplate {
  readonly Parameters: Record<string, { readonly Type: string; readonly Default?: unknown }>;
  readonly Conditions: Record<string, unknown>;
  readonly Resources: Record<string, Resource & { readonly Condition?: string }>;
  readonly Outputs: Record<string, { readonly Condition?: string; readonly Value: unknown }>;
}

/** With the parameters of one stack: what CloudFormation would make. */
export interface Rendered {
  readonly resources: Record<string, Resource>;
  readonly outputs: Record<string, unknown>;
}

const SHORT_FORMS = ['Ref', 'Condition', 'GetAtt', 'Sub', 'If', 'Equals', 'Not', 'And', 'Join', 'Split'];
const longForm = (name: string) => (name === 'Ref' || name === 'Condition' ? name : `Fn::${name}`);
const tags = SHORT_FORMS.flatMap((name) => [
  { tag: `!${name}`, resolve: (value: string) => ({ [longForm(name)]: value }) },
  {
    tag: `!${name}`,
    collection: 'seq' as const,
    resolve: (value: { toJSON(): unknown }) => ({ [longForm(name)]: value.toJSON() }),
  },
]) as unknown as ScalarTag[];

export const PSEUDO: Readonly<Record<string, string>> = {
  'AWS::Partition': 'aws',
  'AWS::Region': 'eu-west-1',
  'AWS::AccountId': '123456789012',
  'AWS::StackName': 'edge',
};

const NOTHING = Symbol('AWS::NoValue');

export function readTemplate(file: string): RawTemplate {
  return parse(readFileSync(file, 'utf8'), { customTags: tags, logLevel: 'error' }) as RawTemplate;
}

/** @param given parameters; the others have their defaults. @throws Error where one has none */
export function render(
  template: RawTemplate,
  given: Readonly<Record<string, string>>,
  pseudo: Readonly<Record<string, string>> = PSEUDO,
): Rendered {
  const parameters = new Map<string, unknown>();
  for (const [name, { Type, Default }] of Object.entries(template.Parameters)) {
    const value = given[name] ?? Default;
    if (value === undefined) throw new Error(`the parameter ${name} has no value`);
    parameters.set(name, Type === 'CommaDelimitedList' ? String(value).split(',') : value);
  }
  const ref = (name: string): unknown => {
    if (name === 'AWS::NoValue') return NOTHING;
    if (pseudo[name] !== undefined) return pseudo[name];
    if (parameters.has(name)) return parameters.get(name);
    if (template.Resources[name] === undefined) throw new Error(`nothing is called ${name}`);
    if (!isThere(name)) throw new Error(`${name} is referred to, but its condition is false`);
    return idOf(name, template.Resources[name].Type);
  };
  const condition = (name: string): boolean => {
    if (!(name in template.Conditions)) throw new Error(`no condition is called ${name}`);
    return value(template.Conditions[name]) as boolean;
  };
  const isThere = (name: string): boolean => {
    const { Condition } = template.Resources[name]!;
    return Condition === undefined || condition(Condition);
  };
  const sub = (text: string, variables: Record<string, unknown>): string =>
    text.replace(/\$\{([^!}][^}]*)\}/g, (_, name: string) => {
      if (name in variables) return String(value(variables[name]));
      const [resource, attribute] = name.split('.');
      return String(attribute === undefined ? ref(name) : `${ref(resource!)}.${attribute}`);
    });
  const value = (raw: unknown): unknown => {
    if (Array.isArray(raw)) return raw.map(value).filter((one) => one !== NOTHING);
    if (!(raw instanceof Object)) return raw;
    const entries = Object.entries(raw);
    const [[name, argument]] = entries.length === 1 ? (entries as [[string, unknown]]) : [['', undefined]];
    const list = argument as unknown[];
    switch (name) {
      case 'Ref':
        return ref(argument as string);
      case 'Fn::GetAtt': {
        const [resource, attribute] = (argument as string).split('.');
        return `${ref(resource!)}.${attribute}`;
      }
      case 'Fn::Sub':
        return typeof argument === 'string'
          ? sub(argument, {})
          : sub(list[0] as string, list[1] as Record<string, unknown>);
      case 'Fn::If':
        return value(list[condition(list[0] as string) ? 1 : 2]);
      case 'Fn::Equals':
        return value(list[0]) === value(list[1]);
      case 'Fn::Not':
        return !value(list[0]);
      case 'Fn::And':
        return list.every((one) => value(one) === true);
      case 'Condition':
        // Of a policy of IAM, or by its name another condition.
        return typeof argument === 'string' ? condition(argument) : { Condition: value(argument) };
      case 'Fn::Join':
        return (value(list[1]) as string[]).join(list[0] as string);
      case 'Fn::Split':
        return (value(list[1]) as string).split(list[0] as string);
      case 'Fn::Base64':
        return Buffer.from(value(argument) as string).toString('base64');
    }
    if (name.startsWith('Fn::')) throw new Error(`${name} is not known here`);
    return Object.fromEntries(
      entries.map(([key, one]) => [key, value(one)] as const).filter(([, one]) => one !== NOTHING),
    );
  };
  const resources: Record<string, Resource> = {};
  for (const [name, { Condition: _, ...resource }] of Object.entries(template.Resources))
    if (isThere(name)) resources[name] = value(resource) as Resource;
  const outputs: Record<string, unknown> = {};
  for (const [name, { Condition, Value }] of Object.entries(template.Outputs))
    if (Condition === undefined || condition(Condition)) outputs[name] = value(Value);
  return { resources, outputs };
}

/** What Ref gives; only where the program looks at the form is it a form of AWS's. */
function idOf(name: string, type: string): string {
  if (type === 'AWS::EC2::NetworkInterface') return `eni-${Buffer.from(name).toString('hex').slice(-17)}`;
  return name;
}
