// An esbuild plugin by which packages that export one function are evaluated when it is first called.
//
// What measures and breaks the lines of yargs' help makes regular expressions of all of Unicode's emoji, which takes 50 ms,
// and only the help needs it.

const LAZY = /^(string-width|wrap-ansi)$/;
const NAMESPACE = 'lazy';

export const lazyModules = {
  name: 'lazy-modules',
  setup(build) {
    build.onResolve({ filter: LAZY }, async ({ path, importer, kind, resolveDir, namespace }) => {
      if (kind !== 'import-statement' || namespace === NAMESPACE) return undefined;
      const resolved = await build.resolve(path, { importer, kind, resolveDir, namespace: NAMESPACE });
      return { path: resolved.path, namespace: NAMESPACE, errors: resolved.errors };
    });
    // What is asked for by `require`, esbuild has evaluated there and not before.
    build.onLoad({ filter: /.*/, namespace: NAMESPACE }, ({ path }) => ({
      contents: `export default (...values) => require(${JSON.stringify(path)}).default(...values);`,
      resolveDir: '/',
    }));
  },
};
