import { runInNamespace } from './inside.ts';

runInNamespace('./failover-inside.js');
