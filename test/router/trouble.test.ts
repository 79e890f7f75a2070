import { runInNamespace } from './inside.ts';

runInNamespace('./trouble-inside.js');
