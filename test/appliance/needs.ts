/** What the appliance's tests need, for their `skip`. */
import { existsSync } from 'node:fs';
import { noLiveCapture } from '../network/program.ts';
import { hasProgram } from '../support/programs.ts';
import { IMAGE } from './vm.ts';

const MEND = 'node scripts/setup.mjs appliance';

function lacking(programs: readonly string[]): string | false {
  if (noLiveCapture) return noLiveCapture;
  const missing = programs.filter((program) => !hasProgram(program));
  if (missing.length > 0)
    return `${missing.join(', ')} not installed (${MEND}; moto_server: pip install "moto[server]")`;
  return existsSync(`${IMAGE}/stamp`) ? false : 'there is no image (appliance/build-image)';
}

export const noContainer = lacking(['systemd-nspawn', 'dnsmasq', 'moto_server', 'script', 'nsenter']);
export const noVm = lacking(['qemu-system-x86_64', 'dnsmasq', 'moto_server', 'nft', 'nfcapd', 'nfdump']);
