package io.github.lars4j.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** What is said of an error of a file. */
class FileErrorsTest {

    @Test
    void namesTheFileAndTheReasonInWhateverTheJdkThrows() {
        Map<IOException, String> thrown = new LinkedHashMap<>();
        thrown.put(new AccessDeniedException("other"), "no permission");
        thrown.put(new AccessDeniedException("other", null, "locked by its owner"), "locked by its owner");
        thrown.put(new NoSuchFileException("other"), "there is no such file");
        thrown.put(new FileSystemException("other", null, "Stale file handle"), "Stale file handle");
        thrown.put(new NotDirectoryException("other"), "java.nio.file.NotDirectoryException: other");
        thrown.put(new IOException("Input/output error"), "Input/output error");
        thrown.put(new ClosedByInterruptException(), "the thread was interrupted");
        thrown.put(new ClosedChannelException(), "it is closed");
        thrown.forEach((e, reason) -> {
            IOException named = FileErrors.of("f", "cannot be read", e);
            assertEquals("f: cannot be read: " + reason, named.getMessage());
            assertEquals(e, named.getCause());
        });
    }
}
