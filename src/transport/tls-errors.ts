/** What the errors of TLS mean, and what to do about each. */

const UNKNOWN_CA =
  'no CA that Weir trusts has signed its certificate; give its CA with ca=FILE, or add it to the roots of this machine';
const WRONG_PROTOCOL =
  'it does not speak TLS on this port; look at the port, or use ipfix+tcp:// without encryption';
const NOT_TRUSTED =
  'it does not accept the certificate of cert=; have it trust the CA, or give another certificate';
const NO_CERTIFICATE = 'it demands a certificate of Weir; give one with cert=FILE and key=FILE';
const TOO_OLD = 'it speaks no TLS that is fit for use (RFC 9325 asks for 1.2 or later); update the collector';

/** By the code of the error: those of the verification are OpenSSL's, the others Node's. */
const MEANINGS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED:
    'its certificate, or that of its CA, has expired; renew it, or set the clock of this machine',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet; look at the clocks of both machines',
  CERT_REVOKED: 'its certificate has been revoked; give the collector a new one',
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_CA,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_CA,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_CA,
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_CA,
  DEPTH_ZERO_SELF_SIGNED_CERT: UNKNOWN_CA,
  CERT_SIGNATURE_FAILURE: UNKNOWN_CA,
  ERR_SSL_WRONG_VERSION_NUMBER: WRONG_PROTOCOL,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: WRONG_PROTOCOL,
  ERR_SSL_UNSUPPORTED_PROTOCOL: TOO_OLD,
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: TOO_OLD,
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: NO_CERTIFICATE,
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE:
    'it refused the handshake: no cipher in common, or it demands a certificate of Weir (cert=FILE and key=FILE)',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: NOT_TRUSTED,
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: NOT_TRUSTED,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN: NOT_TRUSTED,
  ERR_SSL_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE: NOT_TRUSTED,
  ERR_SSL_TLSV1_ALERT_ACCESS_DENIED: NOT_TRUSTED,
  ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR: NOT_TRUSTED,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: 'it says that the certificate of cert= has expired; renew it',
};

/** An error of TLS or of the kernel, in words. @param host what the collector's certificate has to name */
export function explainTlsError(error: NodeJS.ErrnoException, host: string): string {
  const code = error.code ?? '';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const { cert } = error as { cert?: { subjectaltname?: string; subject?: { CN?: string } } };
    const names = cert?.subjectaltname ?? cert?.subject?.CN ?? 'nobody';
    return `its certificate is for ${names}, not for ${host}; use a name that is in it, or give the collector another`;
  }
  const meaning = MEANINGS[code];
  return meaning === undefined ? error.message : `${meaning} (${code})`;
}
