// Sandbox tokens as the description of the wire says: EdDSA, no jti, the claims sub, iss, aud, iat, exp and sandbox_id.
import { createHash } from 'node:crypto';
import { SignJWT, decodeJwt, exportSPKI, generateKeyPair, jwtVerify } from 'jose';

const party = 'openshell-gateway:of-another-hand';
const prefix = 'spiffe://openshell/sandbox/';

export const fingerprint = (token) => createHash('sha256').update(token).digest('hex').slice(0, 16);

export class Tokens {
  static async create() {
    const tokens = new Tokens();
    const { publicKey, privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
    const pem = await exportSPKI(publicKey);
    const spki = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
    tokens.kid = createHash('sha256').update(spki).digest('hex').slice(0, 32);
    tokens.publicKey = publicKey;
    tokens.privateKey = privateKey;
    return tokens;
  }

  refused = new Set(); // fingerprints
  made = [];
  answered = new Map(); // by the refresh id and the old token: what the answer was

  // `seconds` null: a token that never ends, whose `exp` is 0.
  async mint(sandbox, seconds) {
    const now = Math.floor(Date.now() / 1000);
    const expires = seconds === null ? 0 : now + seconds;
    const token = await new SignJWT({ sandbox_id: sandbox })
      .setProtectedHeader({ alg: 'EdDSA', kid: this.kid, typ: 'JWT' })
      .setSubject(prefix + sandbox).setIssuer(party).setAudience(party).setIssuedAt(now).setExpirationTime(expires)
      .sign(this.privateKey);
    this.made.push(fingerprint(token));
    return { token, expires_at_ms: String(expires * 1000) };
  }

  // The sandbox's id, or null: not ours, expired, refused.
  async sandboxOf(token) {
    try {
      const endless = decodeJwt(token).exp === 0;
      const { payload, protectedHeader } = await jwtVerify(token, this.publicKey, {
        issuer: party, audience: party, algorithms: ['EdDSA'], typ: 'JWT', currentDate: endless ? new Date(0) : new Date(),
        clockTolerance: endless ? 1 : 0, requiredClaims: ['sub', 'iss', 'aud', 'iat', 'exp', 'sandbox_id'],
      });
      const good = protectedHeader.kid === this.kid && payload.sub === prefix + payload.sandbox_id;
      return good && !this.refused.has(fingerprint(token)) ? payload.sandbox_id : null;
    } catch {
      return null;
    }
  }

  // A repeat of the same refresh, by its id, gets the same answer; without an id each is a refresh of its own.
  repeated(token, id) {
    return id ? this.answered.get(`${id} ${fingerprint(token)}`) : undefined;
  }

  remember(token, id, answer) {
    if (id) this.answered.set(`${id} ${fingerprint(token)}`, answer);
  }

  refuse(token) {
    this.refused.add(fingerprint(token));
  }

  refuseAll() {
    for (const one of this.made) this.refused.add(one);
  }
}
