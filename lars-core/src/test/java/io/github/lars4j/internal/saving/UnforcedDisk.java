package io.github.lars4j.internal.saving;

import java.io.IOException;
import java.nio.file.Path;

/** The real disk without forcing, for tests that save thousands of files and need not survive a crash. */
public final class UnforcedDisk extends DelegatingDisk {

    public UnforcedDisk() {
        super(REAL);
    }

    @Override
    public Output create(Path file, Path like) throws IOException {
        return new DelegatingOutput(super.create(file, like)) {
            @Override
            public void force() {}
        };
    }

    @Override
    public void forceFolder(Path folder) {}
}
