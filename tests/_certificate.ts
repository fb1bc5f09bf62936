/**
 * A certificate for tests of TLS.
 *
 * @module
 */

/** A certificate that vouches for itself, and its key, in PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/**
 * Makes a certificate for `localhost` and 127.0.0.1.
 *
 * @param dir Where its files go: `cert.pem` and `key.pem`.
 * @returns The certificate.
 */
export async function makeCertificate(dir: string): Promise<Certificate> {
  const { success, stderr } = await new Deno.Command("openssl", {
    args: [
      ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes".split(
        " ",
      ),
      ..."-keyout key.pem -out cert.pem -days 2 -subj /CN=localhost".split(" "),
      "-addext",
      "subjectAltName=DNS:localhost,IP:127.0.0.1",
      "-addext",
      "basicConstraints=critical,CA:FALSE",
    ],
    cwd: dir,
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return {
    cert: Deno.readTextFileSync(`${dir}/cert.pem`),
    key: Deno.readTextFileSync(`${dir}/key.pem`),
  };
}
