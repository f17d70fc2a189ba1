package io.github.lars4j.internal.saving;

import java.io.IOException;
import java.nio.file.Path;

/** The machine's, without its forces: for tests that save thousands of files and survive no crash. */
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
