/** Where the appliance's files are. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url));
export const ROOTFS = join(REPOSITORY, 'appliance/rootfs');
