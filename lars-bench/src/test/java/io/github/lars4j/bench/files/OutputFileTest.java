package io.github.lars4j.bench.files;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.jimfs.Configuration;
import com.google.common.jimfs.Jimfs;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.FileSystem;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OutputFileTest {

    @TempDir
    Path temp;

    private final List<Path> forced = new ArrayList<>();

    @Test
    void foldersThatAreMadeAreForcedAllTheWay() throws IOException {
        Path folder = temp.resolve("a").resolve("b").resolve("c");
        assertEquals(folder, OutputFile.folder(folder, forced::add));
        assertTrue(Files.isDirectory(folder));
        assertEquals(List.of(temp, temp.resolve("a"), temp.resolve("a").resolve("b")), forced);
        forced.clear();
        OutputFile.folder(folder, forced::add);
        assertEquals(List.of(), forced, "nothing was made");
        OutputFile.folder(temp.resolve("d"));
        assertTrue(Files.isDirectory(temp.resolve("d")));
    }

    @Test
    void aDriveThatIsNotThereIsNamed() throws IOException {
        try (FileSystem windows = Jimfs.newFileSystem(Configuration.windows())) {
            Path folder = windows.getPath("Z:\\a\\b");
            IOException refusal = assertThrows(IOException.class, () -> OutputFile.folder(folder, forced::add));
            assertTrue(refusal.getMessage().startsWith("Z:\\a\\b: cannot be made a folder: "), refusal.getMessage());
            assertEquals(List.of(), forced);
        }
    }

    @Test
    void aFilesFolderIsForcedWhenTheFileHasItsName() throws IOException {
        Path file = Files.writeString(temp.resolve("file"), "old");
        ByteBuffer bytes = ByteBuffer.wrap(new byte[] {'n', 'e', 'w'});
        OutputFile.write(
                file,
                channel -> {
                    channel.write(bytes);
                    assertEquals("old", Files.readString(file));
                },
                folder -> {
                    assertEquals("new", Files.readString(file));
                    forced.add(folder);
                });
        assertEquals(List.of(temp), forced);
        OutputFile.write(file, "\u00e9t\u00e9");
        assertEquals("\u00e9t\u00e9", Files.readString(file));
        assertFalse(Files.exists(temp.resolve("file.next")));
    }

    @Test
    void whatCannotBeWrittenIsNamedAndTheOldFileStays() throws IOException {
        Path file = Files.writeString(temp.resolve("file"), "old");
        IOException refusal = assertThrows(
                IOException.class,
                () -> OutputFile.write(
                        file,
                        channel -> {
                            throw new IOException("No space left on device");
                        },
                        forced::add));
        assertEquals(file + ": cannot be written: No space left on device", refusal.getMessage());
        assertEquals("old", Files.readString(file));
        Path taken =
                Files.createDirectories(temp.resolve("taken").resolve("below")).getParent();
        refusal = assertThrows(IOException.class, () -> OutputFile.write(taken, ""));
        assertTrue(refusal.getMessage().startsWith(taken + ": cannot be written: "), refusal.getMessage());
        Path below = file.resolve("below");
        refusal = assertThrows(IOException.class, () -> OutputFile.folder(below));
        assertTrue(refusal.getMessage().startsWith(below + ": cannot be made a folder: "), refusal.getMessage());
        assertEquals(List.of(), forced);
    }
}
