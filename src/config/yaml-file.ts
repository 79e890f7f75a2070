/** A YAML file of options: which it gives, as texts with their lines, and what is wrong with it. */
import { createRequire } from 'node:module';
import type { Document, Node, Pair } from 'yaml';
import {
  fullName,
  OPTIONS,
  optionOf,
  type Property,
  propertiesOf,
  propertyNamed,
  SECTIONS,
  type Section,
} from './schema.ts';
import { didYouMean } from './suggest.ts';

/** One text, and where it stands, for the message of a mistake: `--mtu` or `weir.yaml:12: mtu`. */
export interface GivenText {
  readonly text: string;
  readonly where: string;
}

/** An option that a flag or a file gives. */
export interface Given {
  readonly property: Property;
  /** `flag --mtu` or `weir.yaml:12`. */
  readonly origin: string;
  readonly texts: readonly GivenText[];
}

export interface YamlOptions {
  readonly given: readonly Given[];
  /** Lines like `weir.yaml:12: unknown option "mut"; did you mean "mtu"?`, in the order of the file. */
  readonly mistakes: readonly string[];
}

/** The library, loaded when the first file is read: most starts have none, and it takes 30 ms. */
const yaml = (): typeof import('yaml') => createRequire(import.meta.url)('yaml');

/**
 * Reads the text of a YAML file. `path` only names it in messages. Values are not judged here, only their shape.
 * @param only this section; what else is in the file is not looked at
 */
export function readYamlOptions(path: string, text: string, only?: Section): YamlOptions {
  const lines = new (yaml().LineCounter)();
  // Weir tells duplicate keys itself, with both lines.
  const document = yaml().parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
  const lineAt = (offset: number) => `${path}:${lines.linePos(offset).line}`;

  if (document.errors.length > 0) {
    const mistakes = document.errors.map((error) => {
      const [first = ''] = error.message.split('\n');
      return error.code === 'MULTIPLE_DOCS'
        ? `${lineAt(error.pos[0])}: a second YAML document begins here; Weir reads one`
        : `${lineAt(error.pos[0])}: not YAML: ${first}`;
    });
    return { given: [], mistakes };
  }
  const root = document.contents;
  if (root === null || (yaml().isScalar(root) && root.value === null)) return { given: [], mistakes: [] };
  if (!yaml().isMap<Node, Node | null>(root)) {
    const what = yaml().isSeq(root) ? 'a list' : 'a single value';
    return {
      given: [],
      mistakes: [`${lineAt(startOf(root))}: expected lines like "mtu: 1400", not ${what}`],
    };
  }
  return new MappingReader(document, lineAt).read(root.items, only);
}

class MappingReader {
  private readonly document: Document.Parsed;
  private readonly lineAt: (offset: number) => string;
  private readonly given: Given[] = [];
  private readonly mistakes: string[] = [];
  /** Where each option was given first. */
  private readonly seen = new Map<Property, string>();
  private readonly sections = new Map<Section, string>();

  constructor(document: Document.Parsed, lineAt: (offset: number) => string) {
    this.document = document;
    this.lineAt = lineAt;
  }

  read(pairs: readonly Pair<Node, Node | null>[], only: Section | undefined): YamlOptions {
    for (const pair of pairs) {
      const name = this.nameOf(pair.key);
      const section = SECTIONS.find((one) => one === name);
      if (section !== undefined) this.section(section, pair);
      else if (only === undefined) this.pair(pair, undefined);
    }
    return { given: this.given, mistakes: this.mistakes };
  }

  private section(section: Section, { key, value: unresolved }: Pair<Node, Node | null>): void {
    const line = this.lineAt(startOf(key));
    const first = this.sections.get(section);
    if (first !== undefined) this.mistakes.push(`${line}: ${section} is given twice, first at ${first}`);
    this.sections.set(section, line);
    const value = this.resolved(unresolved);
    if (value === null || value === undefined || (yaml().isScalar(value) && value.value === null)) return;
    if (yaml().isMap<Node, Node | null>(value)) {
      for (const pair of value.items) this.pair(pair, section);
      return;
    }
    const what = yaml().isSeq(value) ? 'a list' : 'a single value';
    this.mistakes.push(`${line}: ${section}: expected options of its own, each on a line, not ${what}`);
  }

  private nameOf(key: Node): string | undefined {
    return yaml().isScalar(key) ? (key.source ?? String(key.value)) : undefined;
  }

  private pair({ key, value }: Pair<Node, Node | null>, section: Section | undefined): void {
    const line = this.lineAt(startOf(key));
    const name = this.nameOf(key);
    const property = name === undefined ? undefined : propertyNamed(name, section);
    if (property === undefined) {
      const names = propertiesOf(section)
        .filter((candidate) => optionOf(candidate).flagOnly !== true)
        .map((candidate) => OPTIONS[candidate].name as string);
      const where = section === undefined ? '' : ` in ${section}`;
      this.mistakes.push(
        name === undefined
          ? `${line}: the name of an option must be a word`
          : `${line}: unknown option "${name}"${where}${didYouMean(name, section === undefined ? [...names, ...SECTIONS] : names)}`,
      );
      return;
    }
    const first = this.seen.get(property);
    if (first !== undefined) {
      this.mistakes.push(`${line}: ${name} is given twice, first at ${first}`);
      return;
    }
    this.seen.set(property, line);
    if (optionOf(property).flagOnly === true) {
      this.mistakes.push(`${line}: ${name} is a flag (--${name}); it means nothing within a file`);
      return;
    }
    const texts = this.texts(property, key, value);
    if (texts !== undefined) this.given.push({ property, origin: line, texts });
  }

  /** The texts of an option's value; undefined, and a mistake told, where it has not the shape of one. */
  private texts(property: Property, key: Node, valueNode: Node | null): GivenText[] | undefined {
    const { list } = optionOf(property);
    const name = fullName(property);
    const value = this.resolved(valueNode);
    const whereOf = (node: Node | null | undefined) => `${this.lineAt(startOf(node ?? key))}: ${name}`;

    const items = list === true && yaml().isSeq<Node | null>(value) ? value.items : [value];
    const texts: GivenText[] = [];
    for (const unresolved of items) {
      const item = this.resolved(unresolved);
      const where = whereOf(unresolved);
      if (!yaml().isScalar(item)) {
        const what = yaml().isSeq(item) ? 'a list' : 'a mapping';
        this.mistakes.push(
          `${where}: expected ${list === true ? 'a value or a list of them' : 'one value'}, not ${what}`,
        );
        return undefined;
      }
      if (item.value === null) {
        this.mistakes.push(`${where}: the value is missing`);
        return undefined;
      }
      texts.push({ text: item.source ?? String(item.value), where });
    }
    return texts;
  }

  private resolved(node: Node | null | undefined): Node | null | undefined {
    return yaml().isAlias(node) ? node.resolve(this.document) : node;
  }
}

function startOf(node: Node): number {
  return node.range?.[0] ?? 0;
}
