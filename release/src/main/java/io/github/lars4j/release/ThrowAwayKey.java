package io.github.lars4j.release;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPairGenerator;
import java.security.NoSuchAlgorithmException;
import java.util.Date;
import org.bouncycastle.bcpg.ArmoredOutputStream;
import org.bouncycastle.bcpg.HashAlgorithmTags;
import org.bouncycastle.bcpg.PublicKeyAlgorithmTags;
import org.bouncycastle.bcpg.PublicKeyPacket;
import org.bouncycastle.bcpg.SymmetricKeyAlgorithmTags;
import org.bouncycastle.openpgp.PGPException;
import org.bouncycastle.openpgp.PGPKeyRingGenerator;
import org.bouncycastle.openpgp.PGPSignature;
import org.bouncycastle.openpgp.operator.bc.BcPBESecretKeyEncryptorBuilder;
import org.bouncycastle.openpgp.operator.bc.BcPGPContentSignerBuilder;
import org.bouncycastle.openpgp.operator.bc.BcPGPDigestCalculatorProvider;
import org.bouncycastle.openpgp.operator.jcajce.JcaPGPKeyPair;

/** Makes a key that signs the bundle of a rehearsal, and is never published. */
public final class ThrowAwayKey {

    /** The file with the secret key. */
    static final String SECRET = "secret.asc";

    /** The file with the public key. */
    static final String PUBLIC = "public.asc";

    private ThrowAwayKey() {}

    /** Writes a key pair: {@code FOLDER PASSPHRASE}. */
    public static void main(String[] args) throws IOException, PGPException, NoSuchAlgorithmException {
        write(Path.of(args[0]), args[1]);
    }

    @SuppressWarnings("JavaUtilDate") // the library's type
    static void write(Path folder, String passphrase) throws IOException, PGPException, NoSuchAlgorithmException {
        KeyPairGenerator rsa = KeyPairGenerator.getInstance("RSA");
        rsa.initialize(3072);
        JcaPGPKeyPair pair = new JcaPGPKeyPair(
                PublicKeyPacket.VERSION_4, PublicKeyAlgorithmTags.RSA_GENERAL, rsa.generateKeyPair(), new Date());
        PGPKeyRingGenerator rings = new PGPKeyRingGenerator(
                PGPSignature.POSITIVE_CERTIFICATION,
                pair,
                "A rehearsal <nobody@example.invalid>",
                new BcPGPDigestCalculatorProvider().get(HashAlgorithmTags.SHA1),
                null,
                null,
                new BcPGPContentSignerBuilder(PublicKeyAlgorithmTags.RSA_GENERAL, HashAlgorithmTags.SHA512),
                new BcPBESecretKeyEncryptorBuilder(SymmetricKeyAlgorithmTags.AES_256).build(passphrase.toCharArray()));
        write(folder.resolve(SECRET), rings.generateSecretKeyRing()::encode);
        write(folder.resolve(PUBLIC), rings.generatePublicKeyRing()::encode);
    }

    /** Writes itself. */
    private interface Encoded {
        void encode(OutputStream out) throws IOException;
    }

    private static void write(Path file, Encoded key) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ArmoredOutputStream armored = ArmoredOutputStream.builder().build(bytes)) {
            key.encode(armored);
        }
        Files.write(file, bytes.toByteArray());
    }
}
