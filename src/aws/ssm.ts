/** One parameter of the Systems Manager's Parameter Store. */
import type { AwsClients } from './clients.ts';
import { explaining } from './errors.ts';

const CALL_MILLISECONDS = 8_000;

/**
 * The value of a parameter, decrypted.
 * @throws AwsError
 */
export async function readParameter(clients: AwsClients, name: string): Promise<string> {
  const attempt = {
    action: 'ssm:GetParameter',
    resource: `arn:aws:ssm:REGION:ACCOUNT:parameter${name.startsWith('/') ? '' : '/'}${name}`,
    name: `the SSM parameter ${name}`,
  };
  return explaining(attempt, async () => {
    const { sdk, client } = await clients.ssm();
    const { Parameter } = await client.send(
      new sdk.GetParameterCommand({ Name: name, WithDecryption: true }),
      { abortSignal: AbortSignal.timeout(CALL_MILLISECONDS) },
    );
    return Parameter?.Value ?? '';
  });
}
