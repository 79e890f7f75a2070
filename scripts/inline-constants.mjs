// An esbuild plugin that writes numeric constants where they are used.
//
// esbuild makes `var` of a module's `const`, which to V8 is a cell that is read, and checked to be a number, at each use: of
// the packets' and lines' way through the program that was a fifth of the time. So `const BATCH = 32`, `const ALONE = BATCH *
// PACKET_WORDS` and `const RECORD = { source: 0, … }`, at the top of a module, here or where they are imported from, become
// esbuild's defines, which respect scopes. Everything else is left as it is.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { transformSync } from 'esbuild';

const NAME = '[A-Za-z]\\w*';
const SCALAR = new RegExp(`^(export )?const (${NAME}) = ([^;{}'"\`]+);`, 'gm');
const OBJECT = new RegExp(
  `^(export )?const (${NAME}) = \\{\\n((?: {2}${NAME}: [^,{}'"\`]+,.*\\n)+)\\}[^;]*;`,
  'gm',
);
const IMPORT = /^import \{([^}]*)\} from '(\.[^']+)';/gm;
const RENAMED = '$constant';

/** @param root folder of the sources */
export function inlineConstants(root) {
  const modules = new Map();
  for (const file of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    if (file.endsWith('.ts') && !file.endsWith('.d.ts')) {
      const path = join(root, file);
      modules.set(path, { path, text: readFileSync(path, 'utf8'), values: undefined });
    }
  }
  return {
    name: 'inline-constants',
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const module = modules.get(path);
        if (module === undefined) return undefined;
        return { contents: inlined(module, modules), loader: 'js' };
      });
    },
  };
}

/** The module as JavaScript. */
function inlined(module, modules) {
  const known = valuesOf(module, modules);
  const define = {};
  for (const [name, value] of known.imported) if (typeof value === 'number') define[name] = `${value}`;
  const rename = (all, isExported, name) => {
    const value = known.own.get(name);
    if (value === undefined) return all;
    const renamed = name + RENAMED;
    if (typeof value === 'number') define[name] = `${value}`;
    else defineObject(define, name, value);
    const declared = all.replace(`const ${name} `, `const ${renamed} `);
    return isExported ? `${declared.replace('export ', '')} export { ${renamed} as ${name} };` : declared;
  };
  const text = module.text
    .replace(SCALAR, rename)
    .replace(OBJECT, rename)
    .replace(IMPORT, (_all, names, from) => {
      const kept = clauseOf(names).filter(({ local }) => typeof known.imported.get(local) !== 'number');
      if (kept.length === 0) return '';
      const clause = kept.map(({ text, name, local }) => {
        const value = known.imported.get(local);
        if (value === undefined) return text;
        defineObject(define, local, value);
        return `${name} as ${local}${RENAMED}`;
      });
      return `import { ${clause.join(', ')} } from '${from}';`;
    });
  return transformSync(text, { loader: 'ts', define, sourcefile: module.path, target: 'node20.19' }).code;
}

/** Only a name that is bound to nothing can be defined: what is declared or imported gets another. */
function defineObject(define, name, object) {
  define[name] = name + RENAMED;
  for (const key in object) define[`${name}.${key}`] = `${object[key]}`;
}

/** The numbers, and the objects of numbers, that a module declares and imports, by their names there. */
function valuesOf(module, modules) {
  if (module.values !== undefined) return module.values;
  const imported = new Map();
  const own = new Map();
  module.values = { imported, own };
  for (const [, names, from] of module.text.matchAll(IMPORT)) {
    const source = modules.get(join(dirname(module.path), from));
    if (source === undefined) continue;
    const values = valuesOf(source, modules).own;
    for (const { name, local } of clauseOf(names)) {
      if (values.has(name)) imported.set(local, values.get(name));
    }
  }
  for (const [, , name, expression] of module.text.matchAll(SCALAR)) {
    const value = evaluate(expression, imported, own);
    if (value !== undefined) own.set(name, value);
  }
  for (const [, , name, body] of module.text.matchAll(OBJECT)) {
    const object = {};
    for (const [, key, expression] of body.matchAll(/^ {2}(\w+): ([^,]+),/gm)) {
      object[key] = evaluate(expression, imported, own);
    }
    if (Object.values(object).every((value) => value !== undefined)) own.set(name, object);
  }
  return module.values;
}

/** The names of an import's clause; types are left as they are. */
function clauseOf(names) {
  return names
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '')
    .map((text) => {
      const [name, local = name] = text.split(' as ');
      return { text, name, local };
    });
}

/** A number, made of numbers and constants by operators; undefined: it is none. */
function evaluate(expression, ...scopes) {
  const plain = expression.replace(/\b(?!\d)([A-Za-z_]\w*)(?:\.(\w+))?\b/g, (text, name, key) => {
    for (const scope of scopes) {
      const value = key === undefined ? scope.get(name) : scope.get(name)?.[key];
      if (typeof value === 'number') return `(${value})`;
    }
    return text;
  });
  if (!/^[\d\sxa-fA-F_.+\-*/%|&^~<>()]+$/.test(plain)) return undefined;
  try {
    const value = new Function(`return (${plain});`)();
    return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
