package io.github.lars4j.release;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.zip.ZipFile;

/** The files of a bundle: a zip archive of a part of a Maven repository. */
final class Bundle {

    /**
     * The files of one version of one artifact.
     *
     * @param group the group's name
     * @param artifact the artifact's name
     * @param version the version
     * @param files the files' contents, by their names without folders
     */
    record Component(String group, String artifact, String version, Map<String, byte[]> files) {

        /** Returns the name of the file with an ending such as {@code .pom} or {@code -sources.jar}. */
        String name(String ending) {
            return artifact + "-" + version + ending;
        }

        /** Returns the file with an ending, or {@code null}. */
        byte[] file(String ending) {
            return files.get(name(ending));
        }

        @Override
        public String toString() {
            return group + ":" + artifact + ":" + version;
        }
    }

    /** The components by their names, as {@link Component#toString} gives them. */
    private final SortedMap<String, Component> components = new TreeMap<>();

    private Bundle() {}

    /** Reads a bundle. */
    static Bundle read(Path zip) throws IOException {
        Bundle bundle = new Bundle();
        try (ZipFile archive = new ZipFile(zip.toFile())) {
            archive.stream().filter(entry -> !entry.isDirectory()).forEach(entry -> {
                try {
                    bundle.add(entry.getName(), archive.getInputStream(entry).readAllBytes());
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            });
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
        return bundle;
    }

    private void add(String path, byte[] content) throws IOException {
        int name = path.lastIndexOf('/');
        int version = path.lastIndexOf('/', name - 1);
        int artifact = path.lastIndexOf('/', version - 1);
        if (artifact < 0) {
            throw new IOException(path + " is not in a folder GROUP/ARTIFACT/VERSION");
        }
        Component component = new Component(
                path.substring(0, artifact).replace('/', '.'),
                path.substring(artifact + 1, version),
                path.substring(version + 1, name),
                new TreeMap<>());
        components
                .computeIfAbsent(component.toString(), key -> component)
                .files()
                .put(path.substring(name + 1), content);
    }

    /** Returns the components, in order of their names. */
    Iterable<Component> components() {
        return components.values();
    }

    /** Returns a component by its name, or {@code null}. */
    Component component(String name) {
        return components.get(name);
    }
}
