package io.github.lars4j.release;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.bouncycastle.openpgp.PGPException;
import org.bouncycastle.openpgp.PGPObjectFactory;
import org.bouncycastle.openpgp.PGPPublicKey;
import org.bouncycastle.openpgp.PGPPublicKeyRingCollection;
import org.bouncycastle.openpgp.PGPSignature;
import org.bouncycastle.openpgp.PGPSignatureList;
import org.bouncycastle.openpgp.PGPUtil;
import org.bouncycastle.openpgp.operator.bc.BcKeyFingerprintCalculator;
import org.bouncycastle.openpgp.operator.bc.BcPGPContentVerifierBuilderProvider;

/** Verifies OpenPGP signatures by the public keys of one file. */
final class Signatures {

    private final PGPPublicKeyRingCollection keys;

    /** Reads the public keys. */
    Signatures(Path publicKeys) throws IOException {
        try (var in = PGPUtil.getDecoderStream(Files.newInputStream(publicKeys))) {
            keys = new PGPPublicKeyRingCollection(in, new BcKeyFingerprintCalculator());
        } catch (PGPException e) {
            throw new IOException(publicKeys + " contains no public keys: " + e.getMessage(), e);
        }
    }

    /** Returns what is wrong with a detached signature of a file, or {@code null}. */
    @SuppressWarnings("JavaUtilDate") // the library's type
    String problem(byte[] content, byte[] signature) {
        try (var in = PGPUtil.getDecoderStream(new ByteArrayInputStream(signature))) {
            if (!(new PGPObjectFactory(in, new BcKeyFingerprintCalculator()).nextObject()
                    instanceof PGPSignatureList list)) {
                return "it is no signature";
            }
            PGPSignature first = list.get(0);
            PGPPublicKey key = keys.getPublicKey(first.getKeyID());
            if (key == null) {
                return "it was made by another key, " + Long.toHexString(first.getKeyID());
            }
            long expires = key.getCreationTime().getTime() / 1000 + key.getValidSeconds();
            if (key.hasRevocation() || key.getValidSeconds() > 0 && expires < System.currentTimeMillis() / 1000) {
                return "its key is revoked or has expired";
            }
            first.init(new BcPGPContentVerifierBuilderProvider(), key);
            first.update(content);
            return first.verify() ? null : "the file has other bytes than those that were signed";
        } catch (IOException | PGPException e) {
            return "it cannot be read: " + e.getMessage();
        }
    }
}
